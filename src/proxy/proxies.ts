import { DEFAULT_PROXY, isHttp } from '../config/check/proxy.js';
import { clientTls } from '../config/client-tls.js';
import type { Config, ProxyConfig } from '../config/config.js';
import { type ProxyEvent, usedProxies } from '../config/proxies.js';
import type { Carrier } from './carrier.js';
import { EventProxy, type Log } from './event-proxy.js';
import { type ClientHeaders, type HeaderMap, HeaderRules, NO_HEADERS, pick } from './headers.js';
import { HttpCarrier } from './http-carrier.js';

/** A client that still sends what is no longer passed on is mentioned this often. */
const HINT_EVERY_MS = 60_000;

type MakeCarrier = new (options: ProxyConfig, headers: HeaderRules, tls: ReturnType<typeof clientTls>) => Carrier;

/** All proxies that the configuration switches on, as it was when the server started. */
export class Proxies {
  /** Names of the headers of upgrade requests that a proxy passes on. */
  readonly transportHeaders: readonly string[];
  /** Names of the metadata of clients' calls that a proxy passes on. */
  readonly metadata: readonly string[];
  /** Some proxy passes on what goes with the connection. */
  readonly usesMeta: boolean;
  readonly #proxies = new Map<string, EventProxy>();
  readonly #emulated: ReadonlySet<string>;
  /** As these two are for all proxies, for those that are asked after the connect. */
  readonly #laterTransport: ReadonlySet<string>;
  readonly #laterMetadata: ReadonlySet<string>;
  readonly #laterEmulated: ReadonlySet<string>;
  #hintAt = 0;

  /** Rejects with an error that names the option that cannot be used. */
  static async open(config: Config, log: Log): Promise<Proxies> {
    const usesGrpc = usedProxies(config).some(({ options }) => !isHttp(options.endpoint));
    // The library takes 17 MB of memory in each worker, and a fifth of a second.
    return new Proxies(config, log, usesGrpc ? (await import('./grpc-carrier.js')).GrpcCarrier : undefined);
  }

  /**
   * @param overGrpc  without it, proxies with a gRPC endpoint are not there.
   * @throws Error naming the option that cannot be used.
   */
  constructor(
    config: Config,
    private readonly log: Log,
    overGrpc?: MakeCarrier,
  ) {
    const opened = new Map<ProxyConfig, EventProxy>();
    const all: EventProxy[] = [];
    const later: EventProxy[] = [];
    for (const { event, name, at, options } of usedProxies(config)) {
      const Carrier = isHttp(options.endpoint) ? HttpCarrier : overGrpc;
      if (Carrier === undefined) continue;
      const proxy = opened.get(options) ?? openProxy(options, at, Carrier, log);
      opened.set(options, proxy);
      this.#proxies.set(`${event} ${name}`, proxy);
      all.push(proxy);
      if (event !== 'connect') later.push(proxy);
    }
    this.transportHeaders = [...transportNames(all)];
    this.metadata = [...metadataNames(all)];
    this.#emulated = emulatedNames(all);
    this.#laterTransport = transportNames(later);
    this.#laterMetadata = metadataNames(later);
    this.#laterEmulated = emulatedNames(later);
    this.usesMeta = later.some(({ includesMeta }) => includesMeta);
  }

  /** @param name  as `*_proxy_name` says. */
  get(event: ProxyEvent, name = DEFAULT_PROXY): EventProxy | undefined {
    return this.#proxies.get(`${event} ${name}`);
  }

  has(event: ProxyEvent): boolean {
    for (const key of this.#proxies.keys()) if (key.startsWith(`${event} `)) return true;
    return false;
  }

  /**
   * What a connect proxy, or one that is asked later, passes on of a client's headers.
   *
   * @param overGrpc  `transport` is the metadata of its call.
   */
  headersOf(transport: HeaderMap, emulated: HeaderMap | undefined, overGrpc = false): ClientHeaders {
    const passed = overGrpc ? this.metadata : this.transportHeaders;
    if (passed.length === 0 && this.#emulated.size === 0) return NO_HEADERS;
    if (emulated !== undefined) this.#hint(emulated);
    return { transport, emulated: pick(emulated ?? {}, this.#emulated), ...(overGrpc && { overGrpc }) };
  }

  /** What has to be kept of them once the client is connected. */
  kept(headers: ClientHeaders): ClientHeaders {
    if (headers === NO_HEADERS) return headers;
    const transport = pick(headers.transport, headers.overGrpc ? this.#laterMetadata : this.#laterTransport);
    const emulated = pick(headers.emulated, this.#laterEmulated);
    const nothing = transport === NO_HEADERS.transport && emulated === NO_HEADERS.emulated;
    return nothing ? NO_HEADERS : { ...headers, transport, emulated };
  }

  async close(): Promise<void> {
    await Promise.all([...new Set(this.#proxies.values())].map((proxy) => proxy.close()));
  }

  /** Centrifugo before 6.9 let `http_headers` pass on emulated headers, too. */
  #hint(emulated: HeaderMap): void {
    const dropped = Object.keys(emulated)
      .map((name) => name.toLowerCase())
      .filter((name) => this.transportHeaders.includes(name) && !this.#emulated.has(name));
    if (dropped.length === 0 || Date.now() < this.#hintAt) return;
    this.#hintAt = Date.now() + HINT_EVERY_MS;
    this.log.info(
      { headers: dropped },
      'a client emulates headers that only http_headers lists: not passed on, clients choose their values',
    );
  }
}

function openProxy(options: ProxyConfig, at: string, Carrier: MakeCarrier, log: Log): EventProxy {
  const headers = new HeaderRules(options);
  const protocol = isHttp(options.endpoint) ? 'http' : 'grpc';
  const tls = clientTls(options[protocol].tls, `${at}.${protocol}.tls`, (where, problem) => {
    throw new Error(`${where}: ${problem}`);
  });
  const carrier = new Carrier(options, headers, tls);
  return new EventProxy(at, headers, options.include_connection_meta, carrier, log);
}

const transportNames = (proxies: readonly EventProxy[]): Set<string> =>
  new Set(proxies.flatMap(({ headers }) => headers.transport));
const metadataNames = (proxies: readonly EventProxy[]): Set<string> =>
  new Set(proxies.flatMap(({ headers }) => headers.metadata));
const emulatedNames = (proxies: readonly EventProxy[]): Set<string> =>
  new Set(proxies.flatMap(({ headers }) => headers.emulated));
