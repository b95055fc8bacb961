import type { Config, TlsConfig } from './config.js';

/** The section of `http_server` that says where a listener's certificate comes from. */
export type TlsSource = 'tls' | 'internal_tls' | 'tls_autocert';

/** Sections of servers of their own, each with a `tls`. */
export type GrpcServer = 'grpc_api' | 'uni_grpc';

/** What says where a certificate comes from. */
export type CertificateSource = TlsSource | GrpcServer;

/** The section of a certificate in files or in the configuration itself, and where that is. */
export function tlsSection(
  config: Pick<Config, 'http_server' | GrpcServer>,
  source: Exclude<CertificateSource, 'tls_autocert'>,
): [section: TlsConfig, at: string] {
  return source === 'tls' || source === 'internal_tls'
    ? [config.http_server[source], `http_server.${source}`]
    : [config[source].tls, `${source}.tls`];
}

/** An address that is listened on. There are one or two. */
export interface Listener {
  /** What clients connect to. */
  readonly external: boolean;
  /** What only the operator's own programs should reach: API, health. */
  readonly internal: boolean;
  /** '' for all addresses. */
  readonly address: string;
  readonly port: number;
  /** Undefined for one without TLS. */
  readonly tls: TlsSource | undefined;
}

/** What is listened on, the external address first (Centrifugo: runHTTPServers). */
export function listenersOf({ http_server: http }: Pick<Config, 'http_server'>): Listener[] {
  const { address, port, tls_external } = http;
  const shared: TlsSource | undefined = http.tls_autocert.enabled
    ? 'tls_autocert'
    : http.tls.enabled
      ? 'tls'
      : undefined;
  const internalAddress = http.internal_address || address;
  const internalPort = http.internal_port === '' ? port : Number(http.internal_port);
  // Port 0 is any free one: asked for twice, it is two.
  const anyFree = http.internal_port !== '' && internalPort === 0;
  if (internalAddress === address && internalPort === port && !anyFree) {
    return [{ external: true, internal: true, address, port, tls: shared }];
  }
  const own = http.internal_tls.enabled ? 'internal_tls' : tls_external ? undefined : shared;
  return [
    { external: true, internal: false, address, port, tls: shared },
    { external: false, internal: true, address: internalAddress, port: internalPort, tls: own },
  ];
}

/** Of every certificate that something is served with. */
export function certificateSources(config: Pick<Config, 'http_server' | GrpcServer>): CertificateSource[] {
  const used = listenersOf(config).flatMap(({ tls }): CertificateSource[] => (tls === undefined ? [] : [tls]));
  const grpc = (['grpc_api', 'uni_grpc'] as const).filter((name) => config[name].enabled && config[name].tls.enabled);
  return [...new Set([...used, ...grpc])];
}

const REASONS = { tls: 'tls_autocert goes first', internal_tls: 'there is no internal port' } as const;

/** One line for each section that is on and that no listener uses. */
export function unusedTls(config: Pick<Config, 'http_server'>): string[] {
  const used = new Set(listenersOf(config).map(({ tls }) => tls));
  return (['tls', 'internal_tls'] as const)
    .filter((source) => config.http_server[source].enabled && !used.has(source))
    .map((source) => `http_server.${source}: not used: ${REASONS[source]}`);
}
