/** A Redis Cluster of links that answer when the test says so. Only what is asked about the map is answered at once. */
import { ClusterShard } from '../../src/engine/redis/cluster-shard.js';
import type { Link, LinkEvents, LinkHandler } from '../../src/engine/redis/link.js';
import type { Endpoint } from '../../src/engine/redis/options.js';
import type { Reply, Script, ShardEvents } from '../../src/engine/redis/shard.js';
import { SLOTS } from '../../src/engine/redis/slots.js';
import { errors } from '../../src/protocol/codes.js';

export const IO_TIMEOUT_MS = 4000;
export const CONNECT_TIMEOUT_MS = 1000;

export interface Sent {
  /** 'GET key', 'EVALSHA name key argument', … */
  readonly text: string;
  readonly handler: LinkHandler;
}

export class FakeLink implements Link {
  /** Neither answered nor taken by the test. */
  readonly sent: Sent[] = [];
  /** 'subscribe channel', 'unsubscribe channel', in order. */
  readonly pubSub: string[] = [];
  confirmsSubscriptions = true;
  answersAboutMap = true;
  healthy = true;
  feed = 'up' as const;
  settle!: () => void;
  readonly settled = new Promise<void>((resolve) => {
    this.settle = resolve;
  });
  isClosed = false;
  readonly #subscribed = new Set<string>();
  #connected: boolean;

  constructor(
    private readonly cluster: FakeLinks,
    readonly port: number,
    readonly events: LinkEvents,
  ) {
    this.#connected = !cluster.slow.has(port);
  }

  get connected(): boolean {
    return this.#connected;
  }

  set connected(value: boolean) {
    this.#connected = value;
    this.events.connectedChanged();
  }

  command(args: readonly (string | Uint8Array)[], handler: LinkHandler): void {
    if (args[0] === 'CLUSTER') {
      if (this.answersAboutMap) this.cluster.answer(String(args[1]), this.port, handler);
    } else this.#send(args.join(' '), handler);
  }

  script(script: Script, keys: readonly string[], args: readonly (string | Uint8Array)[], handler: LinkHandler): void {
    this.#send(['EVALSHA', script.name, ...keys, ...args].join(' '), handler);
  }

  /** The oldest command that is not answered. */
  take(): Sent {
    const sent = this.sent.shift();
    if (sent === undefined) throw new Error(`nothing was sent to ${this.port}`);
    return sent;
  }

  reply(reply: Reply): void {
    this.take().handler.reply(reply);
  }

  refuse(text: string): void {
    const { handler } = this.take();
    if (!handler.refused!(text)) handler.fail(errors.internal);
  }

  async subscribe(channel: string): Promise<void> {
    if (!this.connected) throw errors.internal;
    if (this.#subscribed.has(channel)) return;
    this.pubSub.push(`subscribe ${channel}`);
    if (!this.confirmsSubscriptions) throw errors.internal;
    this.#subscribed.add(channel);
  }

  unsubscribe(channel: string): void {
    this.#subscribed.delete(channel);
    this.pubSub.push(`unsubscribe ${channel}`);
  }

  close(): void {
    this.isClosed = true;
    for (const { handler } of this.sent.splice(0)) handler.fail(errors.internal);
  }

  get texts(): string[] {
    return this.sent.map(({ text }) => text);
  }

  #send(text: string, handler: LinkHandler): void {
    if (this.connected && !this.isClosed) this.sent.push({ text, handler });
    else handler.fail(errors.internal);
  }
}

export class FakeLinks {
  /** By port; the last one that was opened. */
  readonly links = new Map<number, FakeLink>();
  /** Ports whose connections take until the test sets {@link FakeLink.connected}. */
  readonly slow = new Set<number>();
  /** As servers see them that have no view of their own. */
  view: View = { masters: [1, 2], isUsable: true };
  readonly views = new Map<number, View>();
  /** How often the map was asked for. */
  asked = 0;
  /** Errors: fields and message. */
  readonly logged: unknown[][] = [];

  open(events: ShardEvents, seeds = [1]): ClusterShard {
    const server = {
      user: '',
      password: '',
      db: 0,
      clientName: '',
      tls: undefined,
      connectTimeoutMs: CONNECT_TIMEOUT_MS,
      ioTimeoutMs: IO_TIMEOUT_MS,
      resp2: false,
    };
    return new ClusterShard(
      { kind: 'cluster', name: '0', weight: 1, server, seeds: seeds.map((port) => ({ host: 'h', port })) },
      events,
      (endpoint, linkEvents) => this.#openLink(endpoint, linkEvents),
      { info() {}, error: (...args: unknown[]) => this.logged.push(args) },
    );
  }

  at(port: number): FakeLink {
    const link = this.links.get(port);
    if (link === undefined) throw new Error(`no link to ${port}`);
    return link;
  }

  /** CLUSTER SLOTS and CLUSTER INFO. */
  answer(what: string, port: number, handler: LinkHandler): void {
    const { masters, isUsable } = this.views.get(port) ?? this.view;
    if (what === 'INFO') {
      handler.reply(Buffer.from(`cluster_state:${isUsable ? 'ok' : 'fail'}\r\n`));
      return;
    }
    this.asked++;
    const first = (i: number): number => Math.floor((i * SLOTS) / masters.length);
    handler.reply(masters.map((master, i) => [first(i), first(i + 1) - 1, ['h', master]]));
  }

  #openLink({ port }: Endpoint, events: LinkEvents): FakeLink {
    const link = new FakeLink(this, port, events);
    this.links.set(port, link);
    return link;
  }
}

interface View {
  /** Each has the same share of the slots, in this order. */
  readonly masters: readonly number[];
  readonly isUsable: boolean;
}
