import { timingSafeEqual } from 'node:crypto';
import type { HttpHead } from '../transport/http.js';

/**
 * The key of the HTTP API. A request shows it in the header `X-API-Key`, else in `Authorization: apikey …`; where that
 * is not it, in the query parameter `api_key`. An empty key lets nobody in.
 */
export class ApiKey {
  readonly #key: Buffer;
  readonly #given: Buffer;

  constructor(key: string) {
    this.#key = Buffer.from(key);
    this.#given = Buffer.alloc(this.#key.length);
  }

  admits(head: HttpHead): boolean {
    if (this.#key.length === 0) return false;
    if (this.equals(head.header('x-api-key') || fromAuthorization(head.header('authorization')))) return true;
    const { query } = head;
    return query !== '' && this.equals(new URLSearchParams(query).get('api_key') ?? '');
  }

  /** In constant time: padded or cut to the key's length, the claim is compared as a whole, whatever its own length. */
  equals(given: string): boolean {
    this.#given.fill(0);
    this.#given.write(given);
    return timingSafeEqual(this.#given, this.#key) && Buffer.byteLength(given) === this.#key.length;
  }
}

function fromAuthorization(header: string): string {
  if (header === '') return '';
  const [scheme, key, ...more] = header.trim().split(/\s+/);
  return scheme?.toLowerCase() === 'apikey' && more.length === 0 ? (key ?? '') : '';
}
