import { RING_MIN_BYTES } from '../../lib/ring.js';
import type { Config, TokenConfig } from '../config.js';
import { checkChannels } from './channel.js';
import { checkCertificates, checkHttpServer } from './http-server.js';
import { checkProxies, checkProxyUse } from './proxy.js';
import { checkRedis } from './redis.js';
import { checkNames, checkReason, checkRegex, NAME, type Report } from './report.js';

const CLAIM = /^[a-zA-Z_]+$/;
const CONSUMER_NAME = /^[a-zA-Z0-9_]{2,}$/;

/**
 * Checks what the types of the options cannot say: that options go together and names lead somewhere.
 *
 * @returns problems, one line each; none when the configuration is good.
 */
export function checkConfig(config: Config): string[] {
  const problems = new Set<string>();
  const report: Report = (at, problem) => problems.add(`${at}: ${problem}`);
  checkHttpServer(config, report);
  checkCertificates(config, report);
  checkWorkers(config, report);
  checkToken(config.client.token, 'client.token', report);
  checkToken(config.client.subscription_token, 'client.subscription_token', report);
  checkRedis(config, report);
  checkProxies(config, report);
  checkChannels(config, report);
  checkRpc(config, report);
  checkConsumers(config, report);
  checkTransforms(config, report);
  return [...problems];
}

function checkWorkers({ workers }: Config, report: Report): void {
  const { count, owners, ring_size } = workers;
  const tooSmall = ring_size > 0 && ring_size < RING_MIN_BYTES;
  if (tooSmall || (ring_size & (ring_size - 1)) !== 0)
    report('workers.ring_size', `${ring_size} is neither 0 nor a power of two from ${RING_MIN_BYTES}`);
  if (count > 0 && owners > count) report('workers.owners', `${owners} is more than workers.count, ${count}`);
}

function checkToken(token: TokenConfig, at: string, report: Report): void {
  if (token.user_id_claim !== '' && !CLAIM.test(token.user_id_claim)) {
    report(`${at}.user_id_claim`, `${JSON.stringify(token.user_id_claim)} must match ${CLAIM.source}`);
  }
  for (const key of ['audience', 'issuer'] as const) {
    const regex = `${key}_regex` as const;
    checkRegex(token[regex], `${at}.${regex}`, report);
    if (token[key] !== '' && token[regex] !== '') report(`${at}.${key}`, `cannot be used together with ${regex}`);
  }
}

function checkRpc(config: Config, report: Report): void {
  const { namespaces, without_namespace, proxy } = config.rpc;
  checkNames(namespaces, 'rpc.namespaces', NAME, report);
  const use = (options: typeof without_namespace, at: string) =>
    checkProxyUse(
      {
        at: `${at}.proxy_name`,
        name: options.proxy_name,
        enabled: options.proxy_enabled,
        event: proxy,
        eventAt: 'rpc.proxy',
      },
      config,
      report,
    );
  use(without_namespace, 'rpc.without_namespace');
  for (const namespace of namespaces) use(namespace, `rpc.namespaces[${JSON.stringify(namespace.name)}]`);
}

function checkConsumers({ consumers }: Config, report: Report): void {
  checkNames(consumers, 'consumers', CONSUMER_NAME, report);
  for (const { name, type } of consumers) if (type === '') report(`consumers["${name}"].type`, 'must be set');
}

function checkTransforms(config: Config, report: Report): void {
  config.client.connect_code_to_unidirectional_disconnect.transforms.forEach(({ code, to }, i) => {
    const at = `client.connect_code_to_unidirectional_disconnect.transforms[${i}]`;
    if (code === 0) report(`${at}.code`, 'must be set');
    if (to.code === 0) report(`${at}.to.code`, 'must be set');
    checkReason(to.reason, `${at}.to.reason`, report);
  });
  for (const transport of ['uni_sse', 'uni_http_stream'] as const) {
    config[transport].connect_code_to_http_response.transforms.forEach(({ code, to }, i) => {
      const at = `${transport}.connect_code_to_http_response.transforms[${i}]`;
      if (code === 0) report(`${at}.code`, 'must be set');
      if (to.status_code === 0) report(`${at}.to.status_code`, 'must be set');
      else if (to.status_code < 200) report(`${at}.to.status_code`, 'must be the status of an answer, 200 or above');
    });
  }
}
