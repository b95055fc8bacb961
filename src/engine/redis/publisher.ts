/**
 * Publications on their way to one shard. Those of a turn of the event loop that only want a place in their stream leave
 * together in few script calls; all others, and everything in a Cluster, where a script may not touch two channels, one by
 * one. Whatever the way, the publications of a channel stay in their order.
 */
import { ByteWriter } from '../../lib/bytes.js';
import type { Flushable, Turn } from '../../lib/turn.js';
import { type ClientError, errors } from '../../protocol/codes.js';
import type { Bytes } from '../../protocol/messages.js';
import type { PublishOptions, PublishReply, PublishResult } from '../engine.js';
import { randomEpoch } from '../epoch.js';
import { channelMoved } from './carry-over.js';
import { encodePublication, timeField, writeHeaded } from './envelope.js';
import type { Keys } from './keys.js';
import { Outlet } from './outlet.js';
import { Batch } from './publish-batch.js';
import { publishOnceScript, publishScript, publishToListScript } from './scripts.js';
import { seconds } from './seconds.js';
import type { DirectServer, EncodedCommand, Reply, ReplyHandler, Shard } from './shard.js';

/** They are all forgotten when there are more: what they hold is quickly made again. */
const OUTLETS_MAX_CHANNELS = 4096;

export interface PublisherDeps {
  readonly turn: Pick<Turn, 'touch'>;
  readonly useLists: boolean;
  /** A publication was refused for a reason that only the log is told. */
  readonly refused: (text: string) => void;
}

export class Publisher implements Flushable {
  readonly #server: DirectServer | undefined;
  readonly #batches: boolean;
  readonly #outlets = new Map<string, Outlet>();
  readonly #passing = new Passing();
  /** Of this turn. */
  #passed = new PassedReplies();
  readonly #encoded = new ByteWriter();
  #batch: Batch;
  #touched = false;
  /** The field `time` of what is published in this turn. */
  #time: Uint8Array = timeField(0);

  constructor(
    private readonly shard: Shard,
    private readonly keys: Keys,
    private readonly deps: PublisherDeps,
  ) {
    this.#server = shard.server;
    this.#batches = shard.server !== undefined && !deps.useLists;
    this.#batch = new Batch(this.#encoded, deps.refused);
  }

  publish(channel: string, entry: Bytes, options: PublishOptions, reply: PublishReply): void {
    const outlet = this.#outlets.get(channel) ?? this.#open(channel);
    // Cut off, a server may come back as one that has lost the ends of streams: they are compared before any goes on.
    if (this.shard.feed(outlet.client) !== 'up') {
      reply.fail(errors.internal);
      return;
    }
    this.#touch();
    const isStored = options.historySize > 0 && options.historyTtlMs > 0;
    const isOnce = options.idempotencyKey !== '';
    if (isStored && !isOnce && options.version === 0 && this.#batches) {
      if (this.#batch.isFull) this.send();
      this.#batch.add(outlet, entry, options, this.#time, reply);
      return;
    }
    // What waits was published before.
    if (outlet.group !== undefined) this.send();
    if (isStored) this.#publishOne(channel, entry, options, reply);
    else if (isOnce) this.#passOnce(channel, entry, options, reply);
    else this.#pass(outlet, entry, reply);
  }

  /** The end of the turn. */
  flush(): void {
    this.#touched = false;
    this.send();
    this.#passed = new PassedReplies();
  }

  /** What waits for the end of the turn. */
  send(): void {
    if (this.#batch.size === 0) return;
    const batch = this.#batch;
    batch.close();
    // Before it is sent: it may be refused, and whoever is told may publish.
    this.#batch = new Batch(this.#encoded, this.deps.refused);
    const refused = this.#server!.encoded(batch, batch);
    if (refused !== undefined) batch.fail(refused);
  }

  #open(channel: string): Outlet {
    if (this.#outlets.size >= OUTLETS_MAX_CHANNELS) {
      // It knows what waits for its channels by them.
      this.send();
      this.#outlets.clear();
    }
    const outlet = new Outlet(channel, this.keys);
    this.#outlets.set(channel, outlet);
    return outlet;
  }

  #touch(): void {
    if (this.#touched) return;
    this.#touched = true;
    this.#time = timeField(Date.now());
    this.deps.turn.touch(this);
  }

  #pass({ client, publishHead }: Outlet, entry: Bytes, reply: PublishReply): void {
    const server = this.#server;
    if (server === undefined) {
      const publication = encodePublication(entry, false, this.#time);
      const passed = new PassedReplies();
      passed.add(reply);
      this.shard.command(client, ['PUBLISH', client, publication], passed);
      return;
    }
    const passing = this.#passing;
    passing.head = publishHead;
    passing.entry = entry;
    passing.time = this.#time;
    const refused = server.encoded(passing, this.#passed);
    if (refused === undefined) this.#passed.add(reply);
    else reply.fail(refused);
  }

  #publishOne(channel: string, entry: Bytes, options: PublishOptions, reply: PublishReply): void {
    const { keys } = this;
    const { idempotencyKey: key } = options;
    this.shard.script(
      this.deps.useLists ? publishToListScript : publishScript,
      [keys.data(channel), keys.meta(channel), keys.result(channel, key)],
      [
        encodePublication(entry, true, this.#time),
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

  #passOnce(channel: string, entry: Bytes, options: PublishOptions, reply: PublishReply): void {
    const { keys } = this;
    this.shard.script(
      publishOnceScript,
      [keys.result(channel, options.idempotencyKey), keys.meta(channel)],
      [encodePublication(entry, false, this.#time), keys.client(channel), seconds(options.idempotencyTtlMs)],
      new OnceReply(reply),
    );
  }
}

/** PUBLISH of one publication. Used again for the next: it is written before the call returns. */
class Passing implements EncodedCommand {
  readonly script = undefined;
  /** Of the command, up to the publication. */
  head!: Uint8Array;
  entry!: Bytes;
  time!: Uint8Array;

  writeTo(out: ByteWriter): void {
    writeHeaded(out, this.head, this.entry, false, this.time);
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

/** Who waits for the PUBLISHes of a turn. */
class PassedReplies implements ReplyHandler {
  readonly #publishers: PublishReply[] = [];
  #next = 0;

  add(publisher: PublishReply): void {
    this.#publishers.push(publisher);
  }

  reply(): void {
    this.#publishers[this.#next++]!.succeed(0, '');
  }

  fail(error: ClientError): void {
    this.#publishers[this.#next++]!.fail(error);
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
