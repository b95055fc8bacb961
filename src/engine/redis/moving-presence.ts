import type { Bytes } from '../../protocol/messages.js';
import type { Awaitable, PresenceManager, PresenceStats } from '../engine.js';

/**
 * Presence while the list of shards changes (see moving-broker.ts). Entries of moving channels are kept at both shards, and
 * read where every node has its own: at the old one as long as there are nodes that know no other. When they are gone,
 * the new one has been told of everybody.
 */
export class MovingPresence implements PresenceManager {
  #oldNodesPresent = true;

  constructor(
    private readonly before: PresenceManager,
    private readonly now: PresenceManager,
    private readonly isMoving: (channel: string) => boolean,
  ) {}

  setOldNodesPresent(present: boolean): void {
    this.#oldNodesPresent = present;
  }

  async add(channel: string, client: string, user: string, info: Bytes, ttlMs: number): Promise<void> {
    await this.#both(channel, (manager) => manager.add(channel, client, user, info, ttlMs));
  }

  async remove(channel: string, client: string, user: string): Promise<void> {
    await this.#both(channel, (manager) => manager.remove(channel, client, user));
  }

  presence(channel: string): Awaitable<Map<string, Bytes>> {
    return this.#current(channel).presence(channel);
  }

  stats(channel: string): Awaitable<PresenceStats> {
    return this.#current(channel).stats(channel);
  }

  async close(): Promise<void> {
    await Promise.all([this.before.close(), this.now.close()]);
  }

  async #both(channel: string, change: (manager: PresenceManager) => Awaitable<void>): Promise<void> {
    const managers = this.isMoving(channel) ? [this.before, this.now] : [this.now];
    await Promise.all(managers.map(change));
  }

  #current(channel: string): PresenceManager {
    return this.#oldNodesPresent && this.isMoving(channel) ? this.before : this.now;
  }
}
