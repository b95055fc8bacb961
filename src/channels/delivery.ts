/**
 * A delivery class: the subscribers of a channel that are to get the very same bytes.
 *
 * A frame is built once a class. Frames of one turn are joined once a class and then handed to every member, so that a
 * member costs one reference per turn. Whoever joins or leaves does so between two frames: the queue is flushed first.
 */
import type { Flushable, Turn } from '../lib/turn.js';
import { type Codec, InappropriatePayload } from '../protocol/codec.js';
import type { Bytes, Publication, Push } from '../protocol/messages.js';
import type { Member, Subscriber } from './channels.js';
import type { TagsFilter } from './filter.js';

/** Joined frames stay about the size of the socket library's cork buffer. */
export const JOIN_MAX_BYTES = 16 << 10;

/** Whether members take patches, and whether they have something to patch. */
export type DeltaState = 'none' | 'fresh' | 'ready';

export interface ClassTraits {
  readonly codec: Codec;
  /** Unidirectional framing. */
  readonly bare: boolean;
  readonly joinLeave: boolean;
  readonly delta: DeltaState;
  readonly filter: TagsFilter | undefined;
}

/**
 * So many members are looked at before any of them is written to. What a member is costs half a dozen cache misses, which
 * overlap as long as no system call is in between; by the end of a longer row the kernel would have evicted them again.
 */
const ROW_MEMBERS = 32;
/** Fewer are queued: they make a row with those of other classes, at the end of the turn. */
export const ROW_MIN_MEMBERS = 8;
const row: Subscriber[] = new Array(ROW_MEMBERS);

/** What an idle class has queued. Most classes are idle, and there may be one for every connection. */
const NOTHING: readonly Bytes[] = Object.freeze([]);
const usual: ClassTraits[] = [];

/** Traits as one shared object, where there is no filter: there are a dozen combinations for all channels together. */
export function classTraits(
  codec: Codec,
  bare: boolean,
  joinLeave: boolean,
  delta: DeltaState,
  filter: TagsFilter | undefined,
): ClassTraits {
  const traits: ClassTraits = { codec, bare, joinLeave, delta, filter };
  if (filter !== undefined) return traits;
  const known = usual.find((each) => sameTraits(each, traits));
  if (known === undefined) usual.push(traits);
  return known ?? traits;
}

function sameTraits(a: ClassTraits, b: ClassTraits): boolean {
  return (
    a.codec === b.codec &&
    a.bare === b.bare &&
    a.joinLeave === b.joinLeave &&
    a.delta === b.delta &&
    a.filter?.key === b.filter?.key
  );
}

export const withDelta = ({ codec, bare, joinLeave, filter }: ClassTraits, delta: DeltaState): ClassTraits =>
  classTraits(codec, bare, joinLeave, delta, filter);

export class DeliveryClass implements Flushable {
  readonly members: Member[];
  /** Made with the first publication. */
  #head: Bytes | undefined;
  #queue: Bytes[] | typeof NOTHING = NOTHING;
  #queuedBytes = 0;

  /** A class begins with its first member, in an array of that size: pushing to an empty one makes room for sixteen. */
  constructor(
    readonly traits: ClassTraits,
    private readonly channel: string,
    private readonly turn: Pick<Turn, 'touch'>,
    first: Member,
  ) {
    this.members = [first];
    first.place = 0;
  }

  is(traits: ClassTraits): boolean {
    return sameTraits(this.traits, traits);
  }

  /** With delta every publication is delivered: a skipped one would take the base of the next patch away. */
  accepts(pub: Publication): boolean {
    const { filter, delta } = this.traits;
    return filter === undefined || delta !== 'none' || filter.matches(pub.tags);
  }

  publication(pub: Publication): void {
    const { codec, bare, delta } = this.traits;
    this.#head ??= codec.publicationHead(this.channel, bare);
    try {
      this.#enqueue(codec.encodePublication(this.#head, pub, bare, delta !== 'none' && codec.name === 'json'));
    } catch (error) {
      this.#cannotCarry(error);
    }
  }

  push(push: Push): void {
    try {
      this.#enqueue(this.traits.codec.encodePush(push, this.traits.bare));
    } catch (error) {
      this.#cannotCarry(error);
    }
  }

  add(member: Member): void {
    this.#handOver();
    member.place = this.members.length;
    this.members.push(member);
  }

  remove(member: Member): void {
    this.#handOver();
    if (member.place < 0) return;
    const last = this.members.pop()!;
    if (last !== member) {
      this.members[member.place] = last;
      last.place = member.place;
    }
    member.place = -1;
  }

  /** The end of the turn: what is queued goes to the members. */
  flush(): void {
    if (this.members.length < ROW_MIN_MEMBERS) {
      this.#handOver();
      return;
    }
    const frame = this.#take();
    if (frame === undefined) return;
    for (let end = this.members.length; end > 0; end -= ROW_MEMBERS) this.#sendToRow(frame, end);
  }

  #sendToRow(frame: Bytes, end: number): void {
    let ready = 0;
    for (let i = end - 1; i >= 0 && i >= end - ROW_MEMBERS; i--) {
      const { subscriber } = this.members[i]!;
      if (subscriber.ready()) row[ready++] = subscriber;
      else subscriber.write(frame);
    }
    for (let i = 0; i < ready; i++) row[i]!.send(frame);
  }

  /** The members queue what is queued here. From the last to the first, because a write may remove its member. */
  #handOver(): void {
    const frame = this.#take();
    if (frame === undefined) return;
    for (let i = this.members.length - 1; i >= 0; i--) this.members[i]!.subscriber.write(frame);
  }

  #take(): Bytes | undefined {
    if (this.#queue.length === 0) return undefined;
    const frame = this.traits.codec.join(this.#queue);
    this.#queue = NOTHING;
    this.#queuedBytes = 0;
    return frame;
  }

  #enqueue(message: Bytes): void {
    if (this.#queuedBytes + message.length > JOIN_MAX_BYTES) this.#handOver();
    if (this.#queue === NOTHING) {
      this.turn.touch(this);
      this.#queue = [message];
    } else (this.#queue as Bytes[]).push(message);
    this.#queuedBytes += message.length;
  }

  /** Members whose protocol cannot carry a payload get what came before it, and are closed. */
  #cannotCarry(error: unknown): void {
    if (!(error instanceof InappropriatePayload)) throw error;
    this.#handOver();
    for (let i = this.members.length - 1; i >= 0; i--) this.members[i]!.subscriber.inappropriate();
  }
}
