/**
 * Publications on their way to one shard. Those of a turn of the event loop that only want a place in their stream leave
 * together in few script calls; all others, and everything in a Cluster, where a script may not touch two channels, one by
 * one. Whatever the way, the publications of a channel stay in their order.
 */
import type { Flushable, Turn } from '../../lib/turn.js';
import { type ClientError, errors } from '../../protocol/codes.js';
import type { Bytes } from '../../protocol/messages.js';
import type { PublishOptions, PublishReply, PublishResult } from '../engine.js';
import { randomEpoch } from '../epoch.js';
import { channelMoved } from './carry-over.js';
import { encodePublication } from './envelope.js';
import type { Keys } from './keys.js';
import { FAILED, MOVED, publishManyScript, publishOnceScript, publishScript, publishToListScript } from './scripts.js';
import type { Reply, ReplyHandler, Shard } from './shard.js';

/** Of one script call: it keeps the server from everybody else for about a millisecond. */
const BATCH_MAX_PUBLICATIONS = 128;
const BATCH_MAX_BYTES = 256 << 10;

export interface PublisherDeps {
  readonly turn: Pick<Turn, 'touch'>;
  readonly useLists: boolean;
  /** A publication was refused for a reason that only the log is told. */
  readonly refused: (text: string) => void;
}

export class Publisher implements Flushable {
  readonly #batches: boolean;
  #batch = new Batch();
  #touched = false;

  constructor(
    private readonly shard: Shard,
    private readonly keys: Keys,
    private readonly deps: PublisherDeps,
  ) {
    this.#batches = !shard.isCluster && !deps.useLists;
  }

  publish(channel: string, entry: Bytes, options: PublishOptions, reply: PublishReply): void {
    // Cut off, a server may come back as one that has lost the ends of streams: they are compared before any goes on.
    const client = this.keys.client(channel);
    if (this.shard.feed(client) !== 'up') {
      reply.fail(errors.internal);
      return;
    }
    const isStored = options.historySize > 0 && options.historyTtlMs > 0;
    const publication = encodePublication(entry, Date.now(), isStored);
    const isOnce = options.idempotencyKey !== '';
    if (isStored && !isOnce && options.version === 0 && this.#batches) {
      this.#add(channel, publication, options, reply);
      return;
    }
    // What waits was published before.
    if (this.#batch.holds(channel)) this.send();
    if (isStored) this.#publishOne(channel, publication, options, reply);
    else if (isOnce) this.#passOnce(channel, publication, options, reply);
    else this.shard.command(client, ['PUBLISH', client, publication], new PassedReply(reply));
  }

  /** The end of the turn. */
  flush(): void {
    this.#touched = false;
    this.send();
  }

  #add(channel: string, publication: Buffer, options: PublishOptions, reply: PublishReply): void {
    if (this.#batch.isFull) this.send();
    this.#batch.add(channel, publication, options, reply);
    if (this.#touched) return;
    this.#touched = true;
    this.deps.turn.touch(this);
  }

  /** What waits for the end of the turn. */
  send(): void {
    if (this.#batch.size === 0) return;
    const batch = this.#batch;
    this.#batch = new Batch();
    batch.send(this.shard, this.keys, this.deps.refused);
  }

  #publishOne(channel: string, publication: Buffer, options: PublishOptions, reply: PublishReply): void {
    const { keys } = this;
    const { idempotencyKey: key } = options;
    this.shard.script(
      this.deps.useLists ? publishToListScript : publishScript,
      [keys.data(channel), keys.meta(channel), keys.result(channel, key)],
      [
        publication,
        String(options.historySize),
        seconds(options.historyTtlMs),
        keys.client(channel),
        seconds(options.historyMetaTtlMs),
        randomEpoch(),
        key === '' ? '' : seconds(options.idempotencyTtlMs),
        options.delta ? '1' : '',
        // Lists know no versions.
        this.deps.useLists ? '0' : String(options.version),
        options.versionEpoch,
      ],
      new StoredReply(reply),
    );
  }

  #passOnce(channel: string, publication: Buffer, options: PublishOptions, reply: PublishReply): void {
    const { keys } = this;
    this.shard.script(
      publishOnceScript,
      [keys.result(channel, options.idempotencyKey), keys.meta(channel)],
      [publication, keys.client(channel), seconds(options.idempotencyTtlMs)],
      new OnceReply(reply),
    );
  }
}

/** Redis counts in whole seconds here; anything that is to live at all lives for one. */
export const seconds = (ms: number): string => String(Math.ceil(ms / 1000));

/** What publications of a channel must share to be in one group. */
function keepAlike(a: PublishOptions, b: PublishOptions): boolean {
  return (
    a.historySize === b.historySize &&
    a.historyTtlMs === b.historyTtlMs &&
    a.historyMetaTtlMs === b.historyMetaTtlMs &&
    a.delta === b.delta
  );
}

/** The publications of one channel in a batch. They follow one another, and share their options. */
class Group {
  readonly publications: Buffer[] = [];
  readonly replies: PublishReply[] = [];

  constructor(
    readonly channel: string,
    readonly options: PublishOptions,
  ) {}

  /** @param result  see {@link publishManyScript}. */
  answer(result: string, refused: (text: string) => void): void {
    if (result === MOVED) {
      this.fail(channelMoved);
      return;
    }
    if (result.startsWith(FAILED)) {
      refused(result.slice(FAILED.length));
      this.fail(errors.internal);
      return;
    }
    const colon = result.indexOf(':');
    const epoch = result.slice(colon + 1);
    let offset = Number(result.slice(0, colon)) - this.replies.length;
    for (const reply of this.replies) reply.succeed(++offset, epoch);
  }

  fail(error: ClientError): void {
    for (const reply of this.replies) reply.fail(error);
  }
}

class Batch implements ReplyHandler {
  size = 0;
  #bytes = 0;
  #refused: (text: string) => void = () => {};
  /** By channel, and in order: one channel has two groups where its options differ. */
  readonly #last = new Map<string, Group>();
  readonly #groups: Group[] = [];

  get isFull(): boolean {
    return this.size >= BATCH_MAX_PUBLICATIONS || this.#bytes >= BATCH_MAX_BYTES;
  }

  holds(channel: string): boolean {
    return this.#last.has(channel);
  }

  add(channel: string, publication: Buffer, options: PublishOptions, reply: PublishReply): void {
    let group = this.#last.get(channel);
    if (group === undefined || !keepAlike(group.options, options)) {
      group = new Group(channel, options);
      this.#last.set(channel, group);
      this.#groups.push(group);
    }
    group.publications.push(publication);
    group.replies.push(reply);
    this.size++;
    this.#bytes += publication.length;
  }

  send(shard: Shard, keys: Keys, refused: (text: string) => void): void {
    this.#refused = refused;
    const names: string[] = [];
    const args: (string | Uint8Array)[] = [randomEpoch()];
    let before: PublishOptions | undefined;
    for (const { channel, options, publications } of this.#groups) {
      if (before === undefined || !keepAlike(before, options)) {
        const { historySize, historyTtlMs, historyMetaTtlMs, delta } = options;
        args.push('', String(historySize), seconds(historyTtlMs), seconds(historyMetaTtlMs), delta ? '1' : '');
        before = options;
      }
      names.push(keys.data(channel), keys.meta(channel));
      args.push(keys.client(channel), String(publications.length));
      for (const publication of publications) args.push(publication);
    }
    shard.script(publishManyScript, names, args, this);
  }

  reply(reply: Reply): void {
    const results = reply as Buffer[];
    for (let i = 0; i < this.#groups.length; i++) this.#groups[i]!.answer(results[i]!.toString(), this.#refused);
  }

  fail(error: ClientError): void {
    for (const group of this.#groups) group.fail(error);
  }
}

class StoredReply implements ReplyHandler {
  constructor(private readonly publisher: PublishReply) {}

  reply(reply: Reply): void {
    if (!Array.isArray(reply)) {
      this.publisher.fail(channelMoved);
      return;
    }
    const [offset, epoch, suppressed] = reply;
    const why = String(suppressed) as '' | NonNullable<PublishResult['suppressed']>;
    this.publisher.succeed(Number(offset), String(epoch), why === '' ? undefined : why);
  }

  fail(error: ClientError): void {
    this.publisher.fail(error);
  }
}

class PassedReply implements ReplyHandler {
  constructor(private readonly publisher: PublishReply) {}

  reply(): void {
    this.publisher.succeed(0, '');
  }

  fail(error: ClientError): void {
    this.publisher.fail(error);
  }
}

class OnceReply implements ReplyHandler {
  constructor(private readonly publisher: PublishReply) {}

  reply(reply: Reply): void {
    if (typeof reply !== 'number') this.publisher.fail(channelMoved);
    else this.publisher.succeed(0, '', reply === 1 ? undefined : 'idempotency');
  }

  fail(error: ClientError): void {
    this.publisher.fail(error);
  }
}
