/** What a person sees when the server is up. */
import { signToken } from '../auth/sign-token.js';
import type { Config } from '../config/config.js';
import type { WorkerPlan } from '../config/cores.js';
import type { Log } from './log.js';

export interface Readiness {
  readonly config: Config;
  readonly port: number;
  readonly plan: WorkerPlan;
  readonly ringsBytes: number;
  readonly startMs: number;
}

/** One line for everybody; with the demo page on, lines to copy as well. */
export function showReady(log: Log, { config, port, plan, ringsBytes, startMs }: Readiness): void {
  const mebibytes = (ringsBytes / 2 ** 20).toFixed(ringsBytes < 2 ** 20 ? 2 : 0);
  log.info(
    { address: config.http_server.address, port, workers: plan.count, owners: plan.owners, rings_bytes: ringsBytes },
    `ready on port ${port} in ${startMs} ms; workers ${plan.reason}; rings ${mebibytes} MiB`,
  );
  if (config.dev.demo) process.stdout.write(demoLines(config, port));
}

function demoLines(config: Config, port: number): string {
  const base = `http://localhost:${port}`;
  const token = signToken(config.client.token, 'client.token', {
    user: 'demo',
    ttl: 7 * 24 * 3600,
  });
  const body = `'{"channel": "news", "data": {"text": "hello"}}'`;
  return [
    '',
    '  Open this page and watch it arrive:',
    `    ${base}/`,
    '  Publish:',
    `    curl -H 'X-API-Key: ${config.http_api.key}' -d ${body} ${base}${config.http_api.handler_prefix || '/api'}/publish`,
    '  A token for a client of your own (user "demo", one week):',
    `    ${token}`,
    '',
    '',
  ].join('\n');
}
