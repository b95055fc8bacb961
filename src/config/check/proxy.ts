import { clientTls } from '../client-tls.js';
import type { Config, ProxyConfig } from '../config.js';
import { checkNames, checkReason, NAME, type Report } from './report.js';

/** Means the proxy of the event itself instead of one of `proxies`. */
export const DEFAULT_PROXY = 'default';

export function checkProxies(config: Config, report: Report): void {
  checkNames(config.proxies, 'proxies', NAME, report);
  for (const proxy of config.proxies) {
    const at = `proxies[${JSON.stringify(proxy.name)}]`;
    if (proxy.name === DEFAULT_PROXY) report(at, 'the name "default" is reserved');
    checkProxy(proxy, at, report);
  }
  for (const event of ['connect', 'refresh'] as const) {
    const proxy = config.client.proxy[event];
    if (proxy.enabled) checkProxy(proxy, `client.proxy.${event}`, report);
  }
}

/** Anything else is gRPC. */
export const isHttp = (endpoint: string): boolean => /^https?:\/\//.test(endpoint);

/** host:port, or another name that gRPC resolves, of an endpoint that may have grpc:// in front. */
export const grpcTarget = (endpoint: string): string =>
  endpoint.startsWith('grpc://') ? endpoint.slice('grpc://'.length).replace(/\/.*$/, '') : endpoint;

/** What a gRPC call can carry as the name of its metadata. */
const METADATA_NAME = /^[0-9a-z_.-]+$/i;
const METADATA_VALUE = /^[ -~]*$/;

/** A proxy that is used. */
export function checkProxy(proxy: ProxyConfig, at: string, report: Report): void {
  if (proxy.endpoint === '') report(`${at}.endpoint`, 'must be set');
  else if (isHttp(proxy.endpoint)) {
    checkUrl(proxy.endpoint, `${at}.endpoint`, report);
    clientTls(proxy.http.tls, `${at}.http.tls`, report);
  } else checkGrpc(proxy, at, report);
  if (proxy.timeout === 0) report(`${at}.timeout`, 'must not be 0');
  proxy.http.status_to_code_transforms.forEach((transform, i) => {
    const here = `${at}.http.status_to_code_transforms[${i}]`;
    const { status_code, to_error, to_disconnect } = transform;
    if (status_code === 0) report(`${here}.status_code`, 'must be set');
    if (to_error.code === 0 && to_disconnect.code === 0) report(here, 'needs a code in to_error or in to_disconnect');
    if (to_error.code > 0 && to_disconnect.code > 0) report(here, 'has a code in both to_error and to_disconnect');
    checkReason(to_error.message, `${here}.to_error.message`, report);
    checkReason(to_disconnect.reason, `${here}.to_disconnect.reason`, report);
  });
}

function checkGrpc({ endpoint, grpc }: ProxyConfig, at: string, report: Report): void {
  if (!/^[^/?#@\s]+$/.test(grpcTarget(endpoint)) && !endpoint.startsWith('unix:')) {
    report(`${at}.endpoint`, 'is neither a URL nor grpc://host:port');
  }
  clientTls(grpc.tls, `${at}.grpc.tls`, report);
  for (const [name, value] of Object.entries(grpc.static_metadata)) {
    if (!METADATA_NAME.test(name)) report(`${at}.grpc.static_metadata`, `${JSON.stringify(name)} cannot be a name`);
    if (!METADATA_VALUE.test(value))
      report(`${at}.grpc.static_metadata`, `the value of ${name} is not printable ASCII`);
  }
  const { credentials_key, credentials_value } = grpc;
  if (credentials_key !== '' && !METADATA_NAME.test(credentials_key)) {
    report(`${at}.grpc.credentials_key`, 'cannot be a name of metadata');
  }
  if (!METADATA_VALUE.test(credentials_value)) report(`${at}.grpc.credentials_value`, 'is not printable ASCII');
}

/** The URL is not shown: it may have a password. */
function checkUrl(endpoint: string, at: string, report: Report): void {
  try {
    const { username, password } = new URL(endpoint);
    decodeURIComponent(username + password);
  } catch {
    report(at, 'is not a valid URL');
  }
}

/** Of what is asked for streams: only gRPC has them. */
export function checkStreamProxy(name: string, config: Config, report: Report): void {
  const at = name === DEFAULT_PROXY ? 'channel.proxy.subscribe_stream' : `proxies[${JSON.stringify(name)}]`;
  const proxy =
    name === DEFAULT_PROXY ? config.channel.proxy.subscribe_stream : config.proxies.find((each) => each.name === name);
  if (proxy !== undefined && isHttp(proxy.endpoint)) report(`${at}.endpoint`, 'subscribe streams need a gRPC endpoint');
}

/** A name that refers to a proxy, and the proxy of the event when the name is "default" and it is used. */
export function checkProxyUse(
  use: { name: string; enabled: boolean; event: ProxyConfig; eventAt: string; at: string },
  config: Config,
  report: Report,
): void {
  if (use.name === DEFAULT_PROXY) {
    if (use.enabled) checkProxy(use.event, use.eventAt, report);
  } else if (use.name !== '' && !config.proxies.some(({ name }) => name === use.name)) {
    report(use.at, `there is no proxy "${use.name}" in proxies`);
  }
}
