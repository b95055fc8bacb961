import { PassingMap } from '../lib/passing-map.js';
import type { Client } from './client.js';
import type { Target } from './control-ops.js';

/** This worker's authenticated connections, by client id and by user. */
export class Registry {
  private readonly byId = new PassingMap<string, Client>();
  /** A user's connections are linked through the clients themselves: most users have one. */
  private readonly byUser = new PassingMap<string, Client>();
  /** Those that have a session. */
  private readonly bySession = new PassingMap<string, Client>();
  /** Live subscriptions, kept by the clients. */
  subscriptions = 0;

  get clients(): number {
    return this.byId.size;
  }

  /** Distinct users here, anonymous as one. A user on several workers counts on each. */
  get users(): number {
    return this.byUser.size;
  }

  /** Each once, anonymous as ''. */
  userIds(): Iterable<string> {
    return this.byUser.keys();
  }

  get(id: string): Client | undefined {
    return this.byId.get(id);
  }

  withSession(session: string): Client | undefined {
    return this.bySession.get(session);
  }

  add(client: Client): void {
    this.byId.set(client.id, client);
    if (client.session !== '') this.bySession.set(client.session, client);
    const first = this.byUser.get(client.user);
    if (first === undefined) {
      this.byUser.set(client.user, client);
      return;
    }
    client.nextOfUser = first.nextOfUser;
    client.previousOfUser = first;
    if (first.nextOfUser !== null) first.nextOfUser.previousOfUser = client;
    first.nextOfUser = client;
  }

  remove(client: Client): void {
    if (!this.byId.delete(client.id)) return;
    if (client.session !== '') this.bySession.delete(client.session);
    const { previousOfUser: previous, nextOfUser: next } = client;
    if (next !== null) next.previousOfUser = previous;
    if (previous !== null) previous.nextOfUser = next;
    else if (next !== null) this.byUser.set(client.user, next);
    else this.byUser.delete(client.user);
    client.previousOfUser = null;
    client.nextOfUser = null;
  }

  /** The connections that match, see {@link Target}. A copy. */
  find(target: Target): Client[] {
    const everybody = target.allUsers === true && target.user === '';
    if (target.client !== '') {
      const client = this.byId.get(target.client);
      if (client === undefined || !(everybody || client.user === target.user)) return [];
      return matchesSession(client, target.session) ? [client] : [];
    }
    if (everybody) return this.all().filter((client) => matchesSession(client, target.session));
    const found: Client[] = [];
    for (let client = this.byUser.get(target.user) ?? null; client !== null; client = client.nextOfUser) {
      if (matchesSession(client, target.session)) found.push(client);
    }
    return found;
  }

  /** A copy: may be walked over several turns. */
  all(): Client[] {
    return [...this.byId.values()];
  }
}

function matchesSession(client: Client, session: string): boolean {
  return session === '' || client.session === session;
}
