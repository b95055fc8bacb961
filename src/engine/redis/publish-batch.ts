/** Publications that want nothing but a place in their stream, on their way to one server in one script call. */
import type { ByteWriter } from '../../lib/bytes.js';
import { writeArgument, writeCount } from '../../lib/resp-command.js';
import type { ClientError } from '../../protocol/codes.js';
import type { Bytes } from '../../protocol/messages.js';
import type { PublishOptions, PublishReply } from '../engine.js';
import { randomEpoch } from '../epoch.js';
import { SPOILT_BYTES, writePublication } from './envelope.js';
import { Group, type Outlet } from './outlet.js';
import { publishManyScript } from './scripts.js';
import { seconds } from './seconds.js';
import type { EncodedCommand, Reply, ReplyHandler } from './shard.js';

/** Of one script call: it keeps the server from everybody else for about a millisecond. */
const BATCH_MAX_PUBLICATIONS = 128;
const BATCH_MAX_BYTES = 256 << 10;

/** EVALSHA, its hash, the number of keys; a new epoch. */
const FIXED_ARGUMENTS = 4;
const OPTION_ARGUMENTS = 5;
/** Of a group: PUB/SUB channel, known epoch, number of publications. */
const GROUP_ARGUMENTS = 3;

/** What publications of a channel must share to be in one group. */
const keepAlike = (a: PublishOptions, b: PublishOptions): boolean =>
  a === b ||
  (a.historySize === b.historySize &&
    a.historyTtlMs === b.historyTtlMs &&
    a.historyMetaTtlMs === b.historyMetaTtlMs &&
    a.delta === b.delta);

/** Filled, then written as a command, once; after that it only knows who waits for the answer. */
export class Batch implements EncodedCommand, ReplyHandler {
  readonly script = publishManyScript;
  /** In order: a channel has two where its options differ. */
  readonly #groups: Group[] = [];
  /** Of each publication, in the order of their calls. */
  readonly #groupOf: Group[] = [];
  readonly #replies: PublishReply[] = [];

  /**
   * @param encoded  for publications until they are written; lent to one batch at a time.
   * @param told  why a group was refused.
   */
  constructor(
    private readonly encoded: ByteWriter,
    private readonly told: (text: string) => void,
  ) {}

  get size(): number {
    return this.#replies.length;
  }

  get isFull(): boolean {
    return this.size >= BATCH_MAX_PUBLICATIONS || this.encoded.length >= BATCH_MAX_BYTES;
  }

  add(outlet: Outlet, entry: Bytes, options: PublishOptions, time: Uint8Array, reply: PublishReply): void {
    const { encoded } = this;
    if (this.size === 0) encoded.reset();
    encoded.ensure(SPOILT_BYTES);
    encoded.length += SPOILT_BYTES;
    const start = encoded.length;
    writePublication(encoded, entry, true, time);
    let { group } = outlet;
    if (group !== undefined && keepAlike(group.options, options)) group.ranges.push(start, encoded.length);
    else {
      group = new Group(outlet, options, start, encoded.length);
      outlet.group = group;
      this.#groups.push(group);
    }
    this.#groupOf.push(group);
    this.#replies.push(reply);
  }

  /** Nothing is added any more. */
  close(): void {
    for (const { outlet } of this.#groups) outlet.group = undefined;
  }

  writeTo(out: ByteWriter): void {
    const groups = this.#groups;
    const options = groups.map(({ options }, i) => i === 0 || !keepAlike(groups[i - 1]!.options, options));
    const changes = options.filter(Boolean).length;
    writeCount(
      out,
      FIXED_ARGUMENTS + changes * OPTION_ARGUMENTS + groups.length * (2 + GROUP_ARGUMENTS) + this.#replies.length,
    );
    writeArgument(out, 'EVALSHA');
    writeArgument(out, this.script.sha);
    writeArgument(out, String(2 * groups.length));
    for (const { outlet } of groups) out.raw(outlet.streamArguments);
    writeArgument(out, randomEpoch());
    for (let i = 0; i < groups.length; i++) {
      if (options[i]) writeOptions(out, groups[i]!.options);
      this.#writeGroup(out, groups[i]!);
    }
  }

  #writeGroup(out: ByteWriter, group: Group): void {
    const { outlet, ranges, size } = group;
    group.epoch = outlet.epoch;
    out.raw(outlet.groupArguments);
    writeArgument(out, String(size));
    for (let i = 0; i < ranges.length; i += 2) out.range(this.encoded.buffer, ranges[i]!, ranges[i + 1]!);
  }

  reply(reply: Reply): void {
    const results = reply as Reply[];
    for (let i = 0; i < this.#groups.length; i++) this.#groups[i]!.answer(results[i]!, this.told);
    for (let i = 0; i < this.#replies.length; i++) {
      const group = this.#groupOf[i]!;
      if (group.error === undefined) this.#replies[i]!.succeed(++group.offset, group.epoch);
      else this.#replies[i]!.fail(group.error);
    }
  }

  fail(error: ClientError): void {
    for (const reply of this.#replies) reply.fail(error);
  }
}

function writeOptions(out: ByteWriter, options: PublishOptions): void {
  writeArgument(out, '');
  writeArgument(out, String(options.historySize));
  writeArgument(out, seconds(options.historyTtlMs));
  writeArgument(out, seconds(options.historyMetaTtlMs));
  writeArgument(out, options.delta ? '1' : '');
}
