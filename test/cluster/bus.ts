/** Nodes of one process on a network of their own, with real clusters and made-up workers. */
import { answerSurveys } from '../../src/api/survey.js';
import { Cluster } from '../../src/cluster/cluster.js';
import { decodeControl } from '../../src/cluster/control-decode.js';
import { encodeControl } from '../../src/cluster/control-encode.js';
import type { ControlMessage, Received } from '../../src/cluster/control-messages.js';
import type { Placement } from '../../src/cluster/nodes.js';
import { systemClock } from '../../src/lib/clock.js';
import { errors } from '../../src/protocol/codes.js';
import type { Bytes } from '../../src/protocol/messages.js';
import { FakeThreads } from '../support/fake-asks.js';

const WORKERS = 2;

export interface Sent extends Received {
  /** '' for all. */
  readonly to: string;
}

export class Bus {
  readonly sent: Sent[] = [];
  /** Uids of nodes that neither hear nor are heard, without being told. */
  readonly cut = new Set<string>();
  /** Whether nothing can be published. */
  down = false;
  /** Whether publishing is never confirmed. */
  stuck = false;
  readonly #ears = new Map<string, (message: Bytes) => void>();

  /** Be a node of which there is nothing but its uid. @returns what it hears. */
  listen(uid: string): Received['message'][] {
    const heard: Received['message'][] = [];
    this.attach(uid, (message) => void heard.push(decodeControl(message).message));
    return heard;
  }

  attach(uid: string, hear: (message: Bytes) => void): void {
    this.#ears.set(uid, hear);
  }

  detach(uid: string): void {
    this.#ears.delete(uid);
  }

  say(uid: string, message: ControlMessage, to = ''): void {
    this.transmit(uid, encodeControl(uid, message), to);
  }

  /** Also to the sender. */
  transmit(from: string, message: Bytes, to: string): void {
    if (this.cut.has(from)) return;
    for (const [uid, hear] of this.#ears) if (!this.cut.has(uid) && (to === '' || to === uid)) hear(message);
  }

  async publish(from: string, message: Bytes, to: string): Promise<void> {
    if (this.down) throw errors.internal;
    if (this.stuck) await new Promise(() => {});
    this.sent.push({ ...decodeControl(message), to });
    this.transmit(from, message, to);
  }
}

export interface NodeOptions {
  placement?: Placement;
  /** Of each worker: channels and their members. */
  channels?: Record<string, number>[];
}

export class TestNode {
  readonly threads = new FakeThreads(WORKERS);
  /** What workers were asked to do, as `worker kind user`. */
  readonly done: string[] = [];
  /** What workers were told of foreign nodes. */
  readonly foreign: boolean[] = [];
  readonly logged: { level: string; message: string; [field: string]: unknown }[] = [];
  readonly channels: Record<string, number>[];
  clients = 0;
  readonly #options: NodeOptions;
  #cluster: Cluster | undefined;

  constructor(
    readonly bus: Bus,
    readonly uid: string,
    options: NodeOptions = {},
  ) {
    this.#options = options;
    this.channels = options.channels ?? [{}, {}];
    this.threads.asks.forEach((asks, slot) => {
      answerSurveys(asks, {
        numClients: () => this.clients,
        users: () => [`${uid} ${slot}`],
        numSubscriptions: () => 0,
        channels: () => Object.entries(this.channels[slot]!),
      });
      for (const kind of ['subscribe', 'unsubscribe', 'disconnect', 'refresh']) {
        asks.answer(`control.${kind}`, (op) => void this.done.push(`${slot} ${kind} ${(op as { user: string }).user}`));
      }
    });
    this.threads.asks[0]!.answer('engine.foreignNodes', (present) => void this.foreign.push(present as boolean));
  }

  async join(): Promise<this> {
    const { bus, uid } = this;
    const log = (level: string) => (fields: object, message: string) =>
      void this.logged.push({ ...fields, level, message });
    this.#cluster = await Cluster.join(
      {
        asks: this.threads.main,
        node: { uid, name: `node ${uid}`, version: '1', startedAtMs: systemClock.now() },
        clock: systemClock,
        log: { info: log('info'), warn: log('warn'), error: log('error') },
      },
      {
        placement: this.#options.placement ?? { fingerprint: 'x', shards: 2, isChanging: false, asCentrifugo: true },
        open: async (hear) => {
          bus.attach(uid, hear);
          return {
            publish: (data, to) => bus.publish(uid, data, to),
            shards: () => [{ name: '0', healthy: !bus.down }],
            close: () => bus.detach(uid),
          };
        },
      },
    );
    return this;
  }

  get cluster(): Cluster {
    return this.#cluster!;
  }

  /** Names of nodes that it shows. */
  async sees(): Promise<string[]> {
    return (await this.cluster.info()).map(({ name }) => name);
  }

  ask(question: string, body: unknown): Promise<unknown> {
    return this.threads.asks[0]!.ask(WORKERS, question, body);
  }

  messages(level: string): string[] {
    return this.logged.filter((line) => line.level === level).map(({ message }) => message);
  }
}
