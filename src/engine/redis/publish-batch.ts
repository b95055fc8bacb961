/** Publications that want nothing but a place in their stream, on their way to one server in one script call. */
import type { ByteWriter } from '../../lib/bytes.js';
import { writeArgument, writeCount } from '../../lib/resp-command.js';
import type { ClientError } from '../../protocol/codes.js';
import type { Bytes } from '../../protocol/messages.js';
import type { PublishOptions, PublishReply } from '../engine.js';
import { randomEpoch } from '../epoch.js';
import { appendPublication, writeHeaded } from './envelope.js';
import { Group, type Outlet } from './outlet.js';
import { publishManyScript } from './scripts.js';
import { seconds } from './seconds.js';
import type { EncodedCommand, Reply, ReplyHandler } from './shard.js';

/** Of one script call: it keeps the server from everybody else for about a millisecond. */
const BATCH_MAX_PUBLICATIONS = 128;
const BATCH_MAX_BYTES = 256 << 10;

/** EVALSHA, its hash, the number of keys; a new epoch, where the groups begin. */
const COMMAND_ARGUMENTS = 3;
const FIXED_ARGUMENTS = 2;
const OPTION_ARGUMENTS = 5;
/** Keys; what stands in front of its publications. */
const KEYS_OF_GROUP = 2;
const HEAD_OF_GROUP = 2;

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
    if (this.size === 0) this.encoded.reset();
    let { group } = outlet;
    if (group !== undefined && keepAlike(group.options, options)) this.#append(group, entry, time);
    else group = this.#begin(outlet, entry, options, time);
    this.#groupOf.push(group);
    this.#replies.push(reply);
  }

  /** A group, with its first publication. */
  #begin(outlet: Outlet, entry: Bytes, options: PublishOptions, time: Uint8Array): Group {
    const { encoded } = this;
    const start = encoded.length;
    writeHeaded(encoded, outlet.groupArguments, entry, true, time);
    const group = new Group(outlet, options, start, encoded.length);
    outlet.group = group;
    this.#groups.push(group);
    return group;
  }

  #append(group: Group, entry: Bytes, time: Uint8Array): void {
    const { encoded } = this;
    const start = encoded.length;
    appendPublication(encoded, entry, true, time);
    group.add(start, encoded.length);
  }

  /** Nothing is added any more. */
  close(): void {
    for (const { outlet } of this.#groups) outlet.group = undefined;
  }

  writeTo(out: ByteWriter): void {
    const groups = this.#groups;
    const inFront = FIXED_ARGUMENTS + this.#optionChanges() * OPTION_ARGUMENTS + groups.length;
    writeCount(out, COMMAND_ARGUMENTS + (KEYS_OF_GROUP + HEAD_OF_GROUP) * groups.length + inFront + this.size);
    writeArgument(out, 'EVALSHA');
    writeArgument(out, this.script.sha);
    writeArgument(out, String(KEYS_OF_GROUP * groups.length));
    for (let i = 0; i < groups.length; i++) out.raw(groups[i]!.outlet.streamArguments);
    writeArgument(out, randomEpoch());
    writeArgument(out, String(inFront + 1));
    for (let i = 0; i < groups.length; i++) {
      if (this.#changesOptions(i)) writeOptions(out, groups[i]!.options);
      writeArgument(out, String(groups[i]!.size));
    }
    this.#writeGroups(out);
  }

  #optionChanges(): number {
    let changes = 0;
    for (let i = 0; i < this.#groups.length; i++) if (this.#changesOptions(i)) changes++;
    return changes;
  }

  #changesOptions(i: number): boolean {
    return i === 0 || !keepAlike(this.#groups[i - 1]!.options, this.#groups[i]!.options);
  }

  /** Mostly they were encoded one after the other, and are in one piece. */
  #writeGroups(out: ByteWriter): void {
    const { buffer } = this.encoded;
    let start = 0;
    let end = 0;
    for (const { ranges } of this.#groups) {
      for (let i = 0; i < ranges.length; i += 2) {
        if (ranges[i] !== end) {
          out.range(buffer, start, end);
          start = ranges[i]!;
        }
        end = ranges[i + 1]!;
      }
    }
    out.range(buffer, start, end);
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
