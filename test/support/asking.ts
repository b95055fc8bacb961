/** A proxy as the server has it, and somebody to ask about. */
import { onTestFinished } from 'vitest';
import { configSchema } from '../../src/config/config.js';
import type { EventProxy } from '../../src/proxy/event-proxy.js';
import { NO_HEADERS } from '../../src/proxy/headers.js';
import { Proxies } from '../../src/proxy/proxies.js';
import type { Subject } from '../../src/proxy/question.js';

export interface Logged {
  readonly fields: {
    readonly proxy: string;
    readonly failures: number;
    readonly reason: string;
    readonly code?: string;
  };
  readonly message: string;
}

/** @param options  of `rpc.proxy`; any event can be asked by it. */
export async function proxyTo(endpoint: string, options: object = {}, logged: Logged[] = []): Promise<EventProxy> {
  const rpc = { proxy: { endpoint, timeout: '5s', ...options }, without_namespace: { proxy_enabled: true } };
  const log = { error: (fields: object, message: string) => logged.push({ fields, message } as Logged), info() {} };
  const proxies = await Proxies.open(configSchema.parse({ rpc }), log);
  onTestFinished(() => proxies.close());
  return proxies.get('rpc')!;
}

export const about = (changes: Partial<Subject> = {}): Subject => ({
  id: 'c1',
  user: 'ann',
  transport: 'websocket',
  codec: { name: 'json' },
  meta: Buffer.from('{"m":1}'),
  headers: NO_HEADERS,
  ...changes,
});

/** A result whose payloads are texts. */
export const texts = (result: unknown): object =>
  JSON.parse(JSON.stringify(result, (_key, value) => (value?.type === 'Buffer' ? String(Buffer.from(value)) : value)));
