/** What a person sees when the server is up. */
import { signToken } from '../auth/sign-token.js';
import type { Config } from '../config/config.js';
import type { WorkerPlan } from '../config/cores.js';
import type { Listener } from '../config/listeners.js';
import type { Log } from './log.js';

export interface Readiness {
  readonly config: Config;
  readonly listeners: readonly Listener[];
  /** Of each listener. */
  readonly ports: readonly number[];
  readonly plan: WorkerPlan;
  readonly ringsBytes: number;
  readonly startMs: number;
}

/** One line for each listener and one for everybody; with the demo page on, lines to copy as well. */
export function showReady(log: Log, { config, listeners, ports, plan, ringsBytes, startMs }: Readiness): void {
  listeners.forEach((listener, i) => void showListener(log, listener, ports[i]!));
  const mebibytes = (ringsBytes / 2 ** 20).toFixed(ringsBytes < 2 ** 20 ? 2 : 0);
  const [port] = ports;
  log.info(
    { address: config.http_server.address, port, workers: plan.count, owners: plan.owners, rings_bytes: ringsBytes },
    `ready on port ${port} in ${startMs} ms; workers ${plan.reason}; rings ${mebibytes} MiB`,
  );
  if (config.dev.demo) process.stdout.write(demoLines(config, listeners.map(baseOf(ports))));
}

function showListener(log: Log, listener: Listener, port: number): void {
  const { external, internal, tls, address } = listener;
  const host = `${hostOf(address)}:${port}`;
  const schemes = tls === undefined ? ['http', 'ws'] : ['https', 'wss'];
  const urls = (external ? schemes : schemes.slice(0, 1)).map((scheme) => `${scheme}://${host}`);
  const use = external && internal ? 'clients, API' : external ? 'clients' : 'API';
  log.info({ address, port, external, internal, tls }, `listening on ${urls.join(', ')}: ${use}`);
}

const hostOf = (address: string): string => (address.includes(':') ? `[${address}]` : address || 'localhost');

const baseOf =
  (ports: readonly number[]) =>
  ({ tls }: Listener, i: number): string =>
    `${tls === undefined ? 'http' : 'https'}://localhost:${ports[i]}`;

/** @param bases  of the listeners, the external one first */
function demoLines(config: Config, bases: readonly string[]): string {
  const api = (config.http_api.external ? bases[0] : bases.at(-1)) + (config.http_api.handler_prefix || '/api');
  const token = signToken(config.client.token, 'client.token', {
    user: 'demo',
    ttl: 7 * 24 * 3600,
  });
  const body = `'{"channel": "news", "data": {"text": "hello"}}'`;
  return [
    '',
    '  Open this page and watch it arrive:',
    `    ${bases[0]}/`,
    '  Publish:',
    `    curl -H 'X-API-Key: ${config.http_api.key}' -d ${body} ${api}/publish`,
    '  A token for a client of your own (user "demo", one week):',
    `    ${token}`,
    '',
    '',
  ].join('\n');
}
