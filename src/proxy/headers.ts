/** Which headers of a client the application is given, and how. All names are in lower case. */
import type { ProxyConfig } from '../config/config.js';

export type HeaderMap = Readonly<Record<string, string>>;

/** What a client came with, as far as a proxy passes it on. */
export interface ClientHeaders {
  /** Of its upgrade request. */
  readonly transport: HeaderMap;
  /** From its connect message: whatever the client likes to write there. */
  readonly emulated: HeaderMap;
}

const NONE: HeaderMap = Object.freeze({});
/** One object for all connections that nothing is kept of. */
export const NO_HEADERS: ClientHeaders = Object.freeze({ transport: NONE, emulated: NONE });

/** They belong to the connection to the application, so a client's are not passed on. */
const OF_THE_CONNECTION = new Set([
  'connection',
  'content-length',
  'content-type',
  'expect',
  'host',
  'keep-alive',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

/** The headers of one proxy's requests: static ones, over them emulated ones, over them those of the upgrade request. */
export class HeaderRules {
  readonly transport: readonly string[];
  readonly emulated: readonly string[];
  readonly #fixed: HeaderMap;

  constructor(options: Pick<ProxyConfig, 'endpoint' | 'http_headers' | 'emulated_headers' | 'http'>) {
    this.transport = passable(options.http_headers);
    this.emulated = passable(options.emulated_headers);
    const fixed: Record<string, string> = { ...credentials(options.endpoint) };
    for (const [name, value] of Object.entries(options.http.static_headers)) {
      for (const passed of passable([name])) fixed[passed] = wire(value);
    }
    this.#fixed = fixed;
  }

  of(client: ClientHeaders): Record<string, string> {
    const headers: Record<string, string> = { ...this.#fixed };
    copy(client.emulated, this.emulated, headers);
    copy(client.transport, this.transport, headers);
    headers['content-type'] = 'application/json';
    return headers;
  }
}

/** The headers among `names`, in lower case. */
export function pick(headers: HeaderMap, names: ReadonlySet<string>): HeaderMap {
  const found = Object.entries(headers)
    .map(([name, value]) => [name.toLowerCase(), value] as const)
    .filter(([name]) => names.has(name));
  return found.length === 0 ? NONE : Object.fromEntries(found);
}

function copy(from: HeaderMap, names: readonly string[], to: Record<string, string>): void {
  for (const name of names) {
    if (Object.hasOwn(from, name)) to[name] = wire(from[name]!);
  }
}

const passable = (names: readonly string[]): string[] =>
  names.map((name) => name.toLowerCase()).filter((name) => !OF_THE_CONNECTION.has(name));

/** The HTTP client writes a character as a byte; values are sent in UTF-8. */
const wire = (value: string): string => Buffer.from(value).toString('latin1');

/** User and password of a URL. */
function credentials(endpoint: string): HeaderMap {
  const { username, password } = new URL(endpoint);
  if (username === '' && password === '') return NONE;
  const pair = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return { authorization: `Basic ${Buffer.from(pair).toString('base64')}` };
}
