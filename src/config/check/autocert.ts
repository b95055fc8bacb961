import { isIP } from 'node:net';
import { domainToASCII } from 'node:url';
import type { Config } from '../config.js';
import { parseListenAddress } from '../listen-address.js';
import type { Report } from './report.js';

/** Let's Encrypt's limit on the names in a certificate. */
const MAX_HOSTS = 100;
/** What a URL parser would take for the end of the name, or refuse. */
const SPECIAL = /[\s/:?#@\\[\]%*]/;
const HOST = /^([a-z0-9_]([-a-z0-9_]*[a-z0-9_])?\.)*[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;

export function checkAutocert({ http_server: { tls_autocert: autocert } }: Config, report: Report): void {
  if (!autocert.enabled) return;
  const { host_whitelist: hosts, server_name, http, http_addr, directory_url } = autocert;
  const here: Report = (key, problem) => report(`http_server.tls_autocert.${key}`, problem);
  if (!http) here('http', 'must be on: TLS-ALPN-01 challenges cannot be answered, only HTTP-01');
  if (parseListenAddress(http_addr) === undefined) here('http_addr', `${JSON.stringify(http_addr)} is not host:port`);
  if (hosts.length === 0) here('host_whitelist', 'must be set: certificates are asked for before clients come');
  if (hosts.length > MAX_HOSTS) here('host_whitelist', `has more than ${MAX_HOSTS} names`);
  for (const host of hosts) {
    if (!isHostName(host)) here('host_whitelist', `${JSON.stringify(host)} is not a host name`);
  }
  if (server_name !== '' && !hosts.includes(server_name)) {
    here('server_name', `${JSON.stringify(server_name)} is not in host_whitelist`);
  }
  if (!/^https?:/.test(directory_url) || !URL.canParse(directory_url)) here('directory_url', 'is not a URL');
}

const isHostName = (host: string): boolean => isIP(host) === 0 && !SPECIAL.test(host) && HOST.test(domainToASCII(host));
