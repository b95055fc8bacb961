import { timingSafeEqual } from 'node:crypto';
import type { HttpRequest } from '../transport/http.js';

export const KEY_HEADERS = ['x-api-key', 'authorization'] as const;

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

  admits(request: HttpRequest): boolean {
    if (this.#key.length === 0) return false;
    if (this.equals(request.header('x-api-key') || fromAuthorization(request.header('authorization')))) return true;
    return request.query !== '' && this.equals(new URLSearchParams(request.query).get('api_key') ?? '');
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
