/** The broker of one list of shards. Its feed comes by {@link receiver}, which several lists may share. */
import type { Clock } from '../../lib/clock.js';
import type { Turn } from '../../lib/turn.js';
import type { Log } from '../../observe/log.js';
import { errors } from '../../protocol/codes.js';
import type { Bytes } from '../../protocol/messages.js';
import type { Broker, BrokerSink, FeedState, History, HistoryFilter, PublishOptions, PublishReply } from '../engine.js';
import { randomEpoch } from '../epoch.js';
import { channelMoved } from './carry-over.js';
import { isUnreadable, joinEnvelope, leaveEnvelope, openEnvelope } from './envelope.js';
import { rangeArguments, readList, readStream } from './history.js';
import { Keys } from './keys.js';
import type { PlacedShards } from './moves.js';
import { Publisher } from './publisher.js';
import { RefusalLog, unreadableLog } from './refusal-log.js';
import { historyScript, listHistoryScript, removeHistoryScript, resetEpochScript } from './scripts.js';
import { seconds } from './seconds.js';
import type { Reply, Script, Shard, ShardEvents } from './shard.js';

export interface RedisBrokerOptions {
  readonly prefix: string;
  /** `history_use_lists` */
  readonly useLists: boolean;
}

export interface RedisBrokerDeps {
  readonly turn: Pick<Turn, 'touch'>;
  readonly log: Pick<Log, 'error'>;
  /** Monotonic. */
  readonly clock: Clock;
}

/** A shard, and what is made for it. */
interface Place {
  readonly shard: Shard;
  readonly keys: Keys;
  readonly publisher: Publisher;
}

export class RedisBroker implements Broker {
  readonly #places: readonly Place[];
  readonly #shardFor: (channel: string) => number;
  readonly #unreadable: RefusalLog;

  /** The shards are closed by who opened them. */
  constructor(
    { placement, shards }: PlacedShards,
    private readonly options: RedisBrokerOptions,
    deps: RedisBrokerDeps,
  ) {
    const refusals = new RefusalLog(deps.log, deps.clock);
    this.#unreadable = unreadableLog(deps.log, deps.clock);
    const refused = (text: string): void => refusals.refused(text);
    this.#shardFor = (channel) => placement.shardFor(channel);
    this.#places = shards.map((shard) => {
      const keys = new Keys(options.prefix, shard.isCluster, options.useLists);
      const publisher = new Publisher(shard, keys, { turn: deps.turn, useLists: options.useLists, refused });
      return { shard, keys, publisher };
    });
  }

  publish(channel: string, entry: Bytes, options: PublishOptions, reply: PublishReply): void {
    this.#place(channel).publisher.publish(channel, entry, options, reply);
  }

  subscribe(channel: string): Promise<void> {
    const { shard, keys } = this.#place(channel);
    return shard.subscribe(keys.client(channel));
  }

  unsubscribe(channel: string): void {
    const { shard, keys } = this.#place(channel);
    shard.unsubscribe(keys.client(channel));
  }

  feed(channel: string): FeedState {
    const { shard, keys } = this.#place(channel);
    return shard.feed(keys.client(channel));
  }

  async history(channel: string, filter: HistoryFilter, metaTtlMs: number): Promise<History> {
    const head = [seconds(metaTtlMs), randomEpoch()];
    const { useLists } = this.options;
    const range = useLists ? [filter.limit === 0 ? '' : 'lrange'] : rangeArguments(filter);
    const reply = await this.#run(channel, useLists ? listHistoryScript : historyScript, [...head, ...range]);
    try {
      return (useLists ? readList : readStream)(reply as Reply[], filter);
    } catch (error) {
      if (!isUnreadable(error)) throw error;
      // Leaving it out would be a loss that nobody is told of.
      this.#unreadable.refused(`history of ${channel}: ${error.message}`);
      throw errors.internal;
    }
  }

  async resetEpoch(channel: string, epoch: string): Promise<void> {
    await this.#run(channel, resetEpochScript, [epoch, randomEpoch()]);
  }

  async removeHistory(channel: string): Promise<void> {
    // What was published before is removed too.
    this.#place(channel).publisher.send();
    await this.#run(channel, removeHistoryScript, []);
  }

  publishJoin(channel: string, info: Bytes): Promise<void> {
    return this.#tell(channel, joinEnvelope(info));
  }

  publishLeave(channel: string, info: Bytes): Promise<void> {
    return this.#tell(channel, leaveEnvelope(info));
  }

  close(): void {}

  #place(channel: string): Place {
    return this.#places[this.#shardFor(channel)]!;
  }

  /** @throws channelMoved */
  async #run(channel: string, script: Script, args: readonly string[]): Promise<Reply> {
    const { shard, keys } = this.#place(channel);
    const answer = await new Promise<Reply>((reply, fail) =>
      shard.script(script, [keys.data(channel), keys.meta(channel)], args, { reply, fail }),
    );
    if (Buffer.isBuffer(answer)) throw channelMoved;
    return answer;
  }

  async #tell(channel: string, message: Buffer): Promise<void> {
    const { shard, keys } = this.#place(channel);
    const client = keys.client(channel);
    await new Promise((reply, fail) => shard.command(client, ['PUBLISH', client, message], { reply, fail }));
  }
}

/** Hands what a shard reports to the sink. What is malformed is logged, once in a while, and otherwise ignored. */
export function receiver(keys: Keys, sink: BrokerSink, log: Pick<Log, 'error'>, clock: Clock): ShardEvents {
  const unreadable = unreadableLog(log, clock);
  return {
    message(pubSubChannel, bytes, start, end) {
      try {
        openEnvelope(keys.channelOf(pubSubChannel), bytes, start, end, sink);
      } catch (error) {
        if (!isUnreadable(error)) throw error;
        unreadable.refused(`a message on ${pubSubChannel}: ${error.message}`);
      }
    },
    interrupted(pubSubChannel) {
      sink.interrupted(keys.channelOf(pubSubChannel));
    },
  };
}
