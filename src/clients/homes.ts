/**
 * Where a user's connections are counted when a limit spans all workers: `client.user_connection_limit` and
 * `single_connection`. Each user has a home, the worker `hash(user) mod workers`, which admits connections one after
 * the other, so two that arrive at once on different workers cannot both be the last one allowed.
 *
 * Questions: `user.enter` before a connect is through, and once more before it is refused; `user.leave` when the
 * connection is gone; `user.restore` when a home was replaced and has to be told again. With both options off nothing is
 * asked and nothing is kept.
 */
import { hash32 } from '../lib/hash.js';
import type { Asks } from '../mesh/asks.js';
import type { Client } from './client.js';
import type { Registry } from './registry.js';

export interface HomesConfig {
  readonly client: {
    readonly user_connection_limit: number;
    readonly subscribe_to_user_personal_channel: { readonly enabled: boolean; readonly single_connection: boolean };
  };
}

interface Entry {
  user: string;
  client: string;
}

export interface Admission {
  /** False: the user has all the connections that `user_connection_limit` allows. */
  admitted: boolean;
  /** Client ids that were there before, for `single_connection`. */
  others: string[];
}

/** A full link or a home that is being replaced: both pass. */
const RETRY_MS = 1_000;

export class Homes {
  private readonly limit: number;
  /** Connections whose home is here: user to client id to the slot that holds it. */
  private readonly users = new Map<string, Map<string, number>>();

  readonly singleConnection: boolean;

  constructor(
    private readonly asks: Asks,
    private readonly registry: Registry,
    config: HomesConfig,
  ) {
    const personal = config.client.subscribe_to_user_personal_channel;
    this.limit = config.client.user_connection_limit;
    this.singleConnection = personal.enabled && personal.single_connection;
    asks.answer('user.enter', (body, from) => this.admit(body as Entry, from));
    asks.answer('user.leave', (body) => this.forget(body as Entry));
    asks.answer('user.restore', (body, from) => {
      for (const entry of body as Entry[]) this.connections(entry.user).set(entry.client, from);
    });
  }

  /** Whether something limits this user's connections. */
  counts(client: Client): boolean {
    return client.user !== '' && (this.limit > 0 || this.singleConnection);
  }

  /**
   * Ask the user's home to let the client in, which must be one that {@link counts}, and not have left. Rejects with a
   * ClientError when the home cannot be asked.
   */
  async enter(client: Client): Promise<Admission> {
    const first = await this.ask(client);
    if (first.admitted || client.ending) return first;
    // The home still counts connections of a worker that died until it is told so. Main tells it before it accepts any of
    // those that come back, so it hears of that in the turn between two questions.
    return this.ask(client);
  }

  leave(client: Client): void {
    if (this.counts(client)) this.tellLeft({ user: client.user, client: client.id });
  }

  /** The worker in `slot` died with all its connections. */
  workerDied(slot: number): void {
    for (const [user, connections] of this.users) {
      for (const [client, holder] of connections) if (holder === slot) connections.delete(client);
      if (connections.size === 0) this.users.delete(user);
    }
  }

  /** A new worker is at work in `slot`: tell it about our connections whose home it is. */
  async workerReplaced(slot: number): Promise<void> {
    const entries = this.registry
      .all()
      .filter((client) => this.counts(client) && this.home(client.user) === slot)
      .map((client) => ({ user: client.user, client: client.id }));
    if (entries.length > 0) await this.asks.ask(slot, 'user.restore', entries);
  }

  private ask({ user, id }: Client): Promise<Admission> {
    return this.asks.ask(this.home(user), 'user.enter', { user, client: id }) as Promise<Admission>;
  }

  /** Until it is heard, or the user would be short of a connection for good. */
  private tellLeft(entry: Entry): void {
    this.asks.ask(this.home(entry.user), 'user.leave', entry).catch(() => {
      setTimeout(() => this.tellLeft(entry), RETRY_MS).unref();
    });
  }

  private admit({ user, client }: Entry, from: number): Admission {
    const connections = this.connections(user);
    if (this.limit > 0 && connections.size >= this.limit) return { admitted: false, others: [] };
    const others = this.singleConnection ? [...connections.keys()] : [];
    connections.set(client, from);
    return { admitted: true, others };
  }

  private forget({ user, client }: Entry): void {
    const connections = this.users.get(user);
    connections?.delete(client);
    if (connections?.size === 0) this.users.delete(user);
  }

  private connections(user: string): Map<string, number> {
    let connections = this.users.get(user);
    if (connections === undefined) {
      connections = new Map();
      this.users.set(user, connections);
    }
    return connections;
  }

  private home(user: string): number {
    return hash32(user) % this.asks.workers;
  }
}
