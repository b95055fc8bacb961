import type { Clock } from '../../lib/clock.js';
import { Sweep } from '../../lib/sweep.js';
import type { Bytes } from '../../protocol/messages.js';
import type { PresenceManager, PresenceStats } from '../engine.js';

interface Present {
  readonly user: string;
  readonly info: Bytes;
  readonly expireAtMs: number;
}

/** Who is in this worker's channels, kept in its memory. */
export class MemoryPresence implements PresenceManager {
  /** By channel, then by client in order of renewal: with one time to live for all, in order of expiry. */
  readonly #channels = new Map<string, Map<string, Present>>();
  readonly #sweep = new Sweep(this.#channels, (clients, channel, nowMs) => this.#expire(clients, channel, nowMs));

  constructor(private readonly clock: Clock) {}

  add(channel: string, client: string, user: string, info: Bytes, ttlMs: number): void {
    let clients = this.#channels.get(channel);
    if (clients === undefined) {
      clients = new Map();
      this.#channels.set(channel, clients);
    }
    clients.delete(client);
    clients.set(client, { user, info: Buffer.from(info), expireAtMs: this.clock.now() + ttlMs });
  }

  remove(channel: string, client: string, _user: string): void {
    const clients = this.#channels.get(channel);
    if (clients?.delete(client) && clients.size === 0) this.#channels.delete(channel);
  }

  presence(channel: string): Map<string, Bytes> {
    const infos = new Map<string, Bytes>();
    const nowMs = this.clock.now();
    for (const [client, present] of this.#channels.get(channel) ?? []) {
      if (present.expireAtMs > nowMs) infos.set(client, present.info);
    }
    return infos;
  }

  stats(channel: string): PresenceStats {
    const users = new Set<string>();
    let numClients = 0;
    const nowMs = this.clock.now();
    for (const present of this.#channels.get(channel)?.values() ?? []) {
      if (present.expireAtMs <= nowMs) continue;
      numClients++;
      users.add(present.user);
    }
    return { numClients, numUsers: users.size };
  }

  /** Free a bounded part of what has expired. Call it about once a second. */
  sweep(nowMs: number): void {
    this.#sweep.run(nowMs);
  }

  /** Channels with somebody in them, for metrics. */
  get channels(): number {
    return this.#channels.size;
  }

  /** Clients held for a channel, expired ones that were not swept yet included. */
  clients(channel: string): number {
    return this.#channels.get(channel)?.size ?? 0;
  }

  close(): void {
    this.#channels.clear();
  }

  #expire(clients: Map<string, Present>, channel: string, nowMs: number): void {
    for (const [client, present] of clients) {
      if (present.expireAtMs > nowMs) break;
      clients.delete(client);
    }
    if (clients.size === 0) this.#channels.delete(channel);
  }
}
