/** Which headers of a client the application is given, and how. All names are in lower case. */
import { isHttp } from '../config/check/proxy.js';
import type { ProxyConfig } from '../config/config.js';

export type HeaderMap = Readonly<Record<string, string>>;

/** What a client came with, as far as a proxy passes it on. */
export interface ClientHeaders {
  /** Of its upgrade request, or the metadata of its call. */
  readonly transport: HeaderMap;
  /** From its connect message: whatever the client likes to write there. */
  readonly emulated: HeaderMap;
  /** It came by a call. */
  readonly overGrpc?: boolean;
}

const NONE: HeaderMap = Object.freeze({});
/** One object for all connections that nothing is kept of. */
export const NO_HEADERS: ClientHeaders = Object.freeze({ transport: NONE, emulated: NONE });

/** They belong to the connection to the application, or to the call, so a client's are not passed on. */
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

/** What a protocol adds to the rules. */
interface Protocol {
  /** What is sent unless the client's say something else; the last of a name counts. */
  readonly fixed: HeaderMap;
  /** What is sent whatever is said. */
  readonly last: HeaderMap;
  passes(name: string): boolean;
  /** A value as the client library wants it. */
  wire(value: string): string;
}

/**
 * The headers of one proxy's requests, or the metadata of its calls: static ones, over them emulated ones, over them those
 * of the upgrade request or the metadata of the client's call.
 */
export class HeaderRules {
  readonly transport: readonly string[];
  readonly metadata: readonly string[];
  readonly emulated: readonly string[];
  readonly #protocol: Protocol;
  readonly #fixed: Record<string, string> = {};

  constructor(
    options: Pick<ProxyConfig, 'endpoint' | 'http_headers' | 'grpc_metadata' | 'emulated_headers' | 'http' | 'grpc'>,
  ) {
    this.#protocol = isHttp(options.endpoint) ? overHttp(options) : overGrpc(options.grpc);
    const fixed = lowerCased(this.#protocol.fixed);
    this.transport = this.#passable(options.http_headers);
    this.metadata = this.#passable(options.grpc_metadata);
    this.emulated = this.#passable(options.emulated_headers);
    this.#copy(fixed, this.#passable(Object.keys(fixed)), this.#fixed);
  }

  of(client: ClientHeaders): Record<string, string> {
    const headers: Record<string, string> = { ...this.#fixed };
    this.#copy(client.emulated, this.emulated, headers);
    this.#copy(client.transport, client.overGrpc ? this.metadata : this.transport, headers);
    return Object.assign(headers, this.#protocol.last);
  }

  #passable(names: readonly string[]): string[] {
    return names
      .map((name) => name.toLowerCase())
      .filter((name) => !OF_THE_CONNECTION.has(name) && this.#protocol.passes(name));
  }

  #copy(from: HeaderMap, names: readonly string[], to: Record<string, string>): void {
    for (const name of names) {
      if (Object.hasOwn(from, name)) to[name] = this.#protocol.wire(from[name]!);
    }
  }
}

const overHttp = ({ endpoint, http }: Pick<ProxyConfig, 'endpoint' | 'http'>): Protocol => ({
  fixed: { ...credentials(endpoint), ...http.static_headers },
  last: { 'content-type': 'application/json' },
  passes: () => true,
  // The HTTP client writes a character as a byte; values are sent in UTF-8.
  wire: (value) => Buffer.from(value).toString('latin1'),
});

const overGrpc = ({ static_metadata, credentials_key, credentials_value }: ProxyConfig['grpc']): Protocol => ({
  fixed: static_metadata,
  // A client cannot put its own in their place.
  last: credentials_key === '' ? NONE : { [credentials_key.toLowerCase()]: credentials_value },
  passes: (name) => name !== 'user-agent' && !/^(?:grpc-|:)/.test(name),
  wire: (value) => value,
});

const lowerCased = (headers: HeaderMap): HeaderMap =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));

/** The headers among `names`, in lower case. */
export function pick(headers: HeaderMap, names: ReadonlySet<string>): HeaderMap {
  const found = Object.entries(lowerCased(headers)).filter(([name]) => names.has(name));
  return found.length === 0 ? NONE : Object.fromEntries(found);
}

/** User and password of a URL. */
function credentials(endpoint: string): HeaderMap {
  const { username, password } = new URL(endpoint);
  if (username === '' && password === '') return NONE;
  const pair = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return { authorization: `Basic ${Buffer.from(pair).toString('base64')}` };
}
