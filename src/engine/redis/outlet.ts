/** A channel as publications leave for it: its names in Redis, and arguments of commands that are the same each time. */
import { ByteWriter } from '../../lib/bytes.js';
import { writeArgument, writeCount } from '../../lib/resp-command.js';
import { type ClientError, errors } from '../../protocol/codes.js';
import type { PublishOptions } from '../engine.js';
import { channelMoved } from './carry-over.js';
import type { Keys } from './keys.js';
import { FAILED, MOVED } from './scripts.js';
import type { Reply } from './shard.js';

const scratch = new ByteWriter(512);

function encoded(...args: string[]): Buffer {
  scratch.reset();
  for (const argument of args) writeArgument(scratch, argument);
  return scratch.copy();
}

export class Outlet {
  /** PUB/SUB. */
  readonly client: string;
  /** In the batch that is being filled. */
  group: Group | undefined;
  #epoch = '';
  #publishHead: Buffer | undefined;
  #streamArguments: Buffer | undefined;
  #groupArguments: Buffer | undefined;

  constructor(
    private readonly channel: string,
    private readonly keys: Keys,
  ) {
    this.client = keys.client(channel);
  }

  /** Of the stream, as a reply said last; '' before. */
  get epoch(): string {
    return this.#epoch;
  }

  learn(epoch: string): void {
    this.#epoch = epoch;
    this.#groupArguments = undefined;
  }

  /** A PUBLISH that lacks the publication. */
  get publishHead(): Buffer {
    if (this.#publishHead === undefined) {
      scratch.reset();
      writeCount(scratch, 3);
      writeArgument(scratch, 'PUBLISH');
      writeArgument(scratch, this.client);
      this.#publishHead = scratch.copy();
    }
    return this.#publishHead;
  }

  /** The keys of data and meta. */
  get streamArguments(): Buffer {
    this.#streamArguments ??= encoded(this.keys.data(this.channel), this.keys.meta(this.channel));
    return this.#streamArguments;
  }

  /** What a group begins with: PUB/SUB channel, epoch. */
  get groupArguments(): Buffer {
    this.#groupArguments ??= encoded(this.client, this.#epoch);
    return this.#groupArguments;
  }
}

/** The publications of one channel in a batch. They follow one another, and share their options. */
export class Group {
  /** Where they are encoded, what the group begins with included: start and end of what is in one piece. */
  readonly ranges: number[];
  size = 1;
  /** Given last, to one of these. */
  offset = 0;
  /** As the server is told, then as it says. */
  epoch: string;
  error: ClientError | undefined;

  constructor(
    readonly outlet: Outlet,
    readonly options: PublishOptions,
    start: number,
    end: number,
  ) {
    this.ranges = [start, end];
    this.epoch = outlet.epoch;
  }

  /** Another one. */
  add(start: number, end: number): void {
    const { ranges } = this;
    if (ranges[ranges.length - 1] === start) ranges[ranges.length - 1] = end;
    else ranges.push(start, end);
    this.size++;
  }

  /** @param result  see publishManyScript. */
  answer(result: Reply, refused: (text: string) => void): void {
    if (typeof result === 'number') {
      this.offset = result - this.size;
      return;
    }
    const text = String(result);
    if (text === MOVED) this.error = channelMoved;
    else if (text.startsWith(FAILED)) {
      refused(text.slice(FAILED.length));
      this.error = errors.internal;
    } else {
      const colon = text.indexOf(':');
      this.epoch = text.slice(colon + 1);
      this.outlet.learn(this.epoch);
      this.offset = Number(text.slice(0, colon)) - this.size;
    }
  }
}
