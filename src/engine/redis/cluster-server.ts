/** The servers of a Cluster that we hold links to. */
import type { Link, LinkEvents } from './link.js';
import type { Endpoint } from './options.js';

export type OpenLink = (endpoint: Endpoint, events: LinkEvents) => Link;

/** What a server reports, and which one it is. */
export interface ServerEvents {
  message(server: ClusterServer, pubSubChannel: string, bytes: Buffer, start: number, end: number): void;
  interrupted(server: ClusterServer, pubSubChannel: string): void;
  connectedChanged(server: ClusterServer): void;
}

export class ClusterServer {
  readonly link: Link;
  #wasConnected = false;
  readonly #connectByMs: number;
  #uses = 0;
  #isWanted = true;
  #isRetired = false;

  constructor(
    readonly endpoint: Endpoint,
    openLink: OpenLink,
    events: ServerEvents,
    connectTimeoutMs: number,
    private readonly closed: () => void,
  ) {
    this.#connectByMs = performance.now() + connectTimeoutMs;
    this.link = openLink(endpoint, {
      message: (channel, bytes, start, end) => events.message(this, channel, bytes, start, end),
      interrupted: (channel) => events.interrupted(this, channel),
      connectedChanged: () => {
        this.#wasConnected = true;
        events.connectedChanged(this);
      },
    });
  }

  /** Its first connection is still being made: worth waiting for, unlike one that was lost. */
  get isComing(): boolean {
    return !this.#wasConnected && !this.link.connected && performance.now() < this.#connectByMs;
  }

  /** A command under way or a subscription keeps a retired server open. */
  use(): void {
    this.#uses++;
  }

  release(): void {
    this.#uses--;
    this.#closeIfIdle();
  }

  want(): void {
    this.#isWanted = true;
    this.#isRetired = false;
  }

  /**
   * It is not in the map: close it when nothing uses it any more. Unless it was wanted since the last call: slots may be
   * on their way to a server that has none yet.
   */
  retire(): void {
    this.#isRetired = !this.#isWanted;
    this.#isWanted = false;
    this.#closeIfIdle();
  }

  close(): void {
    this.link.close();
    this.closed();
  }

  #closeIfIdle(): void {
    if (this.#isRetired && this.#uses === 0) this.close();
  }
}

/** By address, opened when they are first asked for. */
export class ClusterServers {
  readonly #byAddress = new Map<string, ClusterServer>();

  constructor(
    private readonly openLink: OpenLink,
    private readonly events: ServerEvents,
    private readonly connectTimeoutMs: number,
  ) {}

  at(endpoint: Endpoint): ClusterServer {
    const address = `${endpoint.host}:${endpoint.port}`;
    const open = this.#byAddress.get(address);
    if (open !== undefined) {
      open.want();
      return open;
    }
    const closed = (): void => void this.#byAddress.delete(address);
    const server = new ClusterServer(endpoint, this.openLink, this.events, this.connectTimeoutMs, closed);
    this.#byAddress.set(address, server);
    return server;
  }

  get connected(): ClusterServer[] {
    return [...this.#byAddress.values()].filter(({ link }) => link.connected);
  }

  retireAllBut(kept: ReadonlySet<ClusterServer>): void {
    for (const server of [...this.#byAddress.values()]) if (!kept.has(server)) server.retire();
  }

  close(): void {
    for (const server of [...this.#byAddress.values()]) server.close();
  }
}
