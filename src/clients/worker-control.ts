/**
 * Acting on users' connections, wherever they are: the main thread has the other nodes do it, and every worker of this
 * process, each on its own connections.
 */
import { type SubscribeGrant, sources } from '../auth/grant.js';
import { retained } from '../lib/bytes.js';
import type { Asks } from '../mesh/asks.js';
import { disconnects } from '../protocol/codes.js';
import type { Bytes } from '../protocol/messages.js';
import type { Client } from './client.js';
import type { Control } from './control.js';
import type { ControlOp, DisconnectOp, RefreshOp, SubscribeOp, Target, UnsubscribeOp } from './control-ops.js';
import type { Registry } from './registry.js';
import { cappedExpiry, NOTHING_WANTED, secondsLeft, startSubscription } from './subscribing.js';
import { Subscription } from './subscription.js';

/** Main first publishes to the other nodes, then asks all workers: a slow Redis and a slow worker, one after the other. */
const CONTROL_DEADLINE_MS = 10_000;

export class WorkerControl implements Control {
  constructor(private readonly asks: Pick<Asks, 'ask' | 'workers'>) {}

  subscribe(op: SubscribeOp): Promise<void> {
    return this.#everywhere({ kind: 'subscribe', op });
  }

  unsubscribe(op: UnsubscribeOp): Promise<void> {
    return this.#everywhere({ kind: 'unsubscribe', op });
  }

  disconnect(op: DisconnectOp): Promise<void> {
    return this.#everywhere({ kind: 'disconnect', op });
  }

  refresh(op: RefreshOp): Promise<void> {
    return this.#everywhere({ kind: 'refresh', op });
  }

  async #everywhere(op: ControlOp): Promise<void> {
    await this.asks.ask(this.asks.workers, 'cluster.control', op, CONTROL_DEADLINE_MS);
  }
}

/** Have every worker of this process do its part. Rejects if one of them fails. */
export async function controlWorkers(asks: Pick<Asks, 'askWorkers'>, { kind, op }: ControlOp): Promise<void> {
  await asks.askWorkers(`control.${kind}`, op);
}

/** Have this worker do its part. */
export function answerControl(asks: Asks, registry: Registry): void {
  asks.answer('control.subscribe', async (body) => {
    const op = body as SubscribeOp;
    await Promise.all(connected(registry, op).map((client) => subscribe(client, op)));
  });
  asks.answer('control.unsubscribe', async (body) => {
    const op = body as UnsubscribeOp;
    for (const client of connected(registry, op)) unsubscribe(client, op);
  });
  asks.answer('control.disconnect', (body) => {
    const op = body as DisconnectOp;
    for (const client of registry.find(op)) {
      if (!op.whitelist.includes(client.id)) client.disconnect(op.disconnect);
    }
  });
  asks.answer('control.refresh', (body) => {
    const op = body as RefreshOp;
    for (const client of connected(registry, op)) refresh(client, op);
  });
}

/** A connection that is still connecting takes its state from its token. */
function connected(registry: Registry, op: Target): Client[] {
  return registry.find(op).filter((client) => client.state === 'connected');
}

function subscribe(client: Client, op: SubscribeOp): Promise<void> {
  const limit = client.deps.config.client.channel_limit;
  if (client.subscriptions.get(op.channel) !== undefined) return Promise.resolve();
  if (limit > 0 && client.subscriptions.size >= limit) {
    client.disconnect(disconnects.channelLimit);
    return Promise.resolve();
  }
  const subscription = new Subscription(client, op.channel, true);
  client.subscriptions.add(subscription);
  const since = op.recoverSince;
  const wanted = since === undefined ? NOTHING_WANTED : { ...NOTHING_WANTED, recover: true, ...since };
  return new Promise((resolve, reject) => {
    // Also when it is ended before it is live: then `done` below is not called.
    subscription.whenSettled(resolve);
    startSubscription(subscription, grantOf(op), wanted, NOTHING_ALLOWED, (refusal, result) => {
      if (refusal !== null) return reject(refusal);
      client.push({ channel: op.channel, subscribe: result! });
    });
  });
}

/** The server asks for neither delta nor filter. */
const NOTHING_ALLOWED = { allowed_delta_types: [], allow_tags_filter: false };

function grantOf(op: SubscribeOp): SubscribeGrant {
  return {
    source: sources.serverApi,
    expireAt: op.expireAt,
    clientSideRefresh: false,
    info: fromBase64(op.info),
    data: fromBase64(op.data),
    emitPresence: op.presence,
    emitJoinLeave: op.joinLeave,
    pushJoinLeave: op.forcePushJoinLeave,
    positioned: op.forcePositioning || op.forceRecovery,
    recoverable: op.forceRecovery,
    recoveryMode: 'stream',
    autoCacheRecover: false,
  };
}

function unsubscribe(client: Client, op: UnsubscribeOp): void {
  const subscription = client.subscriptions.get(op.channel);
  if (subscription !== undefined) {
    subscription.whenSettled(() => client.unsubscribe(subscription, op.unsubscribe));
  } else {
    // Said even to those who are not subscribed, so that a client which thinks it is finds out.
    client.push({ channel: op.channel, unsubscribe: { code: op.unsubscribe.code, reason: op.unsubscribe.reason } });
  }
}

function refresh(client: Client, op: RefreshOp): void {
  const now = client.deps.clock.now();
  const expireAt = cappedExpiry(op.expireAt, now);
  const ttl = secondsLeft(expireAt, now);
  if (op.expired || (expireAt > 0 && ttl <= 0)) {
    client.disconnect(disconnects.expired);
    return;
  }
  client.expireAt = Math.max(0, expireAt);
  if (op.info !== '') client.connInfo = fromBase64(op.info);
  client.keepalive.connectionExpiry();
  client.push({ refresh: client.expireAt > 0 ? { expires: true, ttl } : {} });
}

function fromBase64(text: string): Bytes | undefined {
  return text === '' ? undefined : retained(Buffer.from(text, 'base64'));
}
