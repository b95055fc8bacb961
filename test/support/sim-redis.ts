/**
 * A server that several owners use over a network, and their connections to it. Commands, replies and the feed each keep
 * their order and nothing else: a reply may overtake the feed by far, or the other way round. Connections break, and the
 * server may fail over to a replica that has not heard of everything.
 */
import type {
  Broker,
  BrokerSink,
  FeedState,
  History,
  HistoryFilter,
  PublishOptions,
  PublishReply,
} from '../../src/engine/engine.js';
import { MemoryBroker } from '../../src/engine/memory/broker.js';
import type { ManualClock } from '../../src/lib/clock.js';
import { errors } from '../../src/protocol/codes.js';
import { decodeEntry } from '../../src/protocol/entry.js';
import type { Random } from './cluster.js';

const DOWN_STEPS_MAX = 20;
/** Longer than another connection needs to come back and compare, a second attempt included. */
const SETTLE_STEPS = 15 * DOWN_STEPS_MAX;

type Appended = (channel: string, entry: Buffer, epoch: string, before: number | undefined) => void;

/** One copy of the data. */
class Copy {
  readonly streams: MemoryBroker;
  timeMs = 0;
  epoch = '';
  appended: Appended = () => {};
  /** Number of the newest publication of each stream. */
  readonly #ends = new Map<string, number>();

  constructor() {
    const sink: BrokerSink = {
      publication: (channel, entry, epoch) => {
        const before = this.#ends.get(channel);
        this.#ends.set(channel, numberOf(entry));
        this.appended(channel, Buffer.from(entry), epoch, before);
      },
      join: () => {},
      leave: () => {},
      interrupted: () => {},
    };
    this.streams = new MemoryBroker(sink, { clock: { now: () => this.timeMs }, epoch: () => this.epoch });
  }
}

/** Of a publication as the simulation makes them. */
function numberOf(entry: Uint8Array): number {
  return (JSON.parse(Buffer.from(decodeEntry(entry).data).toString()) as { n: number }).n;
}

export class SimRedis {
  /** By number of a publication: the one before it in its stream. */
  readonly before = new Map<number, number | undefined>();
  /** Every publication there has been, by its place, of which a failover may have given it to several. */
  readonly #appendedAt = new Set<string>();
  /** Streams that were given a new epoch. */
  resets = 0;
  readonly #connections: SimBroker[] = [];
  #master = new Copy();
  #replica: Copy | undefined = new Copy();
  #unreplicated: (() => void)[] = [];
  #epochs = 0;

  constructor(
    readonly clock: ManualClock,
    readonly random: Random,
  ) {
    this.#master.appended = this.#appended;
  }

  connect(sink: BrokerSink): SimBroker {
    const connection = new SimBroker(this, sink);
    this.#connections.push(connection);
    return connection;
  }

  /** The process or worker at the other end is gone. */
  forget(connection: SimBroker): void {
    this.#connections.splice(this.#connections.indexOf(connection), 1);
  }

  /** Carry out a command here, and later at the replica. */
  run<T>(command: (streams: MemoryBroker) => T): T {
    const timeMs = this.clock.now();
    const epoch = `epoch${String(this.#epochs++).padStart(4, '0')}`;
    const at = (copy: Copy): T => {
      copy.timeMs = timeMs;
      copy.epoch = epoch;
      return command(copy.streams);
    };
    const replica = this.#replica;
    if (replica !== undefined) this.#unreplicated.push(() => at(replica));
    return at(this.#master);
  }

  /** Let something happen on every connection, and the replica hear of something. */
  step(): void {
    for (const run of this.#unreplicated.splice(0, this.random.below(4))) run();
    for (const connection of [...this.#connections]) connection.step();
  }

  cutOne(): void {
    this.random.pick(this.#connections).cut();
  }

  /** The master is gone with what was not replicated, and all connections with it. There is no second replica. */
  failover(): void {
    if (this.#replica === undefined) return;
    this.clock.advance(1000);
    this.#unreplicated = [];
    this.#master = this.#replica;
    this.#master.appended = this.#appended;
    this.#replica = undefined;
    for (const connection of this.#connections) connection.cut(SETTLE_STEPS);
  }

  readonly isAt = (channel: string, epoch: string, offset: number, payload: string): boolean =>
    this.#appendedAt.has(`${channel} ${epoch} ${offset} ${payload}`);

  readonly #appended: Appended = (channel, entry, epoch, before) => {
    const { data, offset } = decodeEntry(entry);
    this.before.set(numberOf(entry), before);
    this.#appendedAt.add(`${channel} ${epoch} ${offset} ${Buffer.from(data)}`);
    for (const connection of this.#connections) connection.hear(channel, entry, epoch);
  };
}

interface Command {
  run: () => () => void;
  fail: () => void;
}

/** One owner's connections: one for commands, one for the feed. */
export class SimBroker implements Broker {
  #commands: Command[] = [];
  #replies: { reply: () => void; fail: () => void }[] = [];
  #feed: (() => void)[] = [];
  readonly #wanted = new Set<string>();
  #heard = new Set<string>();
  /** Steps until it is connected again. */
  #downFor = 0;
  /** Steps until it is clear what a failover has lost. */
  #settlesFor = 0;

  constructor(
    private readonly redis: SimRedis,
    private readonly sink: BrokerSink,
  ) {}

  feed(): FeedState {
    if (this.#downFor > 0) return 'down';
    return this.#settlesFor > 0 ? 'settling' : 'up';
  }

  publish(channel: string, entry: Uint8Array, options: PublishOptions, reply: PublishReply): void {
    if (this.feed() !== 'up') {
      reply.fail(errors.internal);
      return;
    }
    const own = Buffer.from(entry);
    this.#command(
      (streams) => {
        let answer = (): void => {};
        streams.publish(channel, Buffer.from(own), options, {
          succeed: (...result) => {
            answer = () => reply.succeed(...result);
          },
          fail: (error) => {
            answer = () => reply.fail(error);
          },
        });
        return answer;
      },
      () => reply.fail(errors.internal),
    );
  }

  subscribe(channel: string): Promise<void> {
    this.#wanted.add(channel);
    return this.#ask(() => void this.#heard.add(channel));
  }

  unsubscribe(channel: string): void {
    this.#wanted.delete(channel);
    this.#heard.delete(channel);
  }

  history(channel: string, filter: HistoryFilter, metaTtlMs: number): Promise<History> {
    return this.#ask((streams) => {
      const history = streams.history(channel, filter, metaTtlMs);
      return { ...history, entries: Buffer.from(history.entries) };
    });
  }

  resetEpoch(channel: string, epoch: string): Promise<void> {
    this.redis.resets++;
    return this.#ask((streams) => streams.resetEpoch(channel, epoch));
  }

  removeHistory(channel: string): Promise<void> {
    return this.#ask((streams) => streams.removeHistory(channel));
  }

  publishJoin(): void {}
  publishLeave(): void {}
  close(): void {}

  // ---- the network ----

  hear(channel: string, entry: Buffer, epoch: string): void {
    if (this.#downFor === 0 && this.#heard.has(channel))
      this.#feed.push(() => this.sink.publication(channel, Buffer.from(entry), epoch));
  }

  /** @param settlesFor  steps after it is back. */
  cut(settlesFor = 0): void {
    this.#settlesFor = Math.max(this.#settlesFor, settlesFor);
    const pending = [...this.#replies, ...this.#commands];
    this.#replies = [];
    this.#commands = [];
    this.#feed = [];
    this.#heard = new Set();
    this.#downFor = 1 + this.redis.random.below(DOWN_STEPS_MAX);
    for (const { fail } of pending) fail();
  }

  step(): void {
    const { random } = this.redis;
    if (this.#downFor > 0) {
      if (--this.#downFor === 0) this.#resubscribe();
      return;
    }
    if (this.#settlesFor > 0) this.#settlesFor--;
    for (let i = random.below(6); i > 0; i--) this.#stepOne(random.below(3));
  }

  #stepOne(which: number): void {
    if (which === 0) this.#feed.shift()?.();
    else if (which === 1) this.#replies.shift()?.reply();
    else {
      const command = this.#commands.shift();
      if (command !== undefined) this.#replies.push({ reply: command.run(), fail: command.fail });
    }
  }

  #resubscribe(): void {
    for (const channel of this.#wanted) {
      this.#heard.add(channel);
      this.#feed.push(() => this.sink.interrupted(channel));
    }
  }

  #command(run: (streams: MemoryBroker) => () => void, fail: () => void): void {
    if (this.#downFor > 0) fail();
    else this.#commands.push({ run: () => this.redis.run(run), fail });
  }

  #ask<T>(run: (streams: MemoryBroker) => T): Promise<T> {
    return new Promise((resolve, reject) =>
      this.#command(
        (streams) => {
          const result = run(streams);
          return () => resolve(result);
        },
        () => reject(errors.internal),
      ),
    );
  }
}
