/**
 * A delivery class: the subscribers of a channel that are to get the very same bytes.
 *
 * A frame is built once a class. Frames of one turn are joined once a class and then handed to every member, so that a
 * member costs one reference per turn. Whoever joins or leaves does so between two frames: the queue is flushed first.
 */
import type { Flushable, Turn } from '../lib/turn.js';
import { type Codec, InappropriatePayload } from '../protocol/codec.js';
import type { Bytes, Publication, Push } from '../protocol/messages.js';
import type { Member } from './channels.js';
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

export class DeliveryClass implements Flushable {
  readonly members: Member[] = [];
  readonly #head: Bytes;
  #queue: Bytes[] = [];
  #queuedBytes = 0;

  constructor(
    readonly traits: ClassTraits,
    channel: string,
    private readonly turn: Pick<Turn, 'touch'>,
  ) {
    this.#head = traits.codec.publicationHead(channel, traits.bare);
  }

  is(traits: ClassTraits): boolean {
    const own = this.traits;
    return (
      own.codec === traits.codec &&
      own.bare === traits.bare &&
      own.joinLeave === traits.joinLeave &&
      own.delta === traits.delta &&
      own.filter?.key === traits.filter?.key
    );
  }

  /** With delta every publication is delivered: a skipped one would take the base of the next patch away. */
  accepts(pub: Publication): boolean {
    const { filter, delta } = this.traits;
    return filter === undefined || delta !== 'none' || filter.matches(pub.tags);
  }

  publication(pub: Publication): void {
    const { codec, bare, delta } = this.traits;
    const dataAsString = delta !== 'none' && codec.name === 'json';
    this.#enqueue(() => codec.encodePublication(this.#head, pub, bare, dataAsString));
  }

  push(push: Push): void {
    this.#enqueue(() => this.traits.codec.encodePush(push, this.traits.bare));
  }

  add(member: Member): void {
    this.flush();
    member.place = this.members.length;
    this.members.push(member);
  }

  remove(member: Member): void {
    this.flush();
    if (member.place < 0) return;
    const last = this.members.pop()!;
    if (last !== member) {
      this.members[member.place] = last;
      last.place = member.place;
    }
    member.place = -1;
  }

  /** Hand what is queued to the members. From the last to the first, because a write may remove its member. */
  flush(): void {
    if (this.#queue.length === 0) return;
    const frame = this.traits.codec.join(this.#queue);
    this.#queue = [];
    this.#queuedBytes = 0;
    for (let i = this.members.length - 1; i >= 0; i--) this.members[i]!.subscriber.write(frame);
  }

  #enqueue(encode: () => Bytes): void {
    const message = this.#encoded(encode);
    if (message === undefined) return;
    if (this.#queuedBytes + message.length > JOIN_MAX_BYTES) this.flush();
    if (this.#queue.length === 0) this.turn.touch(this);
    this.#queue.push(message);
    this.#queuedBytes += message.length;
  }

  /** Members whose protocol cannot carry a payload get what came before it, and are closed. */
  #encoded(encode: () => Bytes): Bytes | undefined {
    try {
      return encode();
    } catch (error) {
      if (!(error instanceof InappropriatePayload)) throw error;
      this.flush();
      for (let i = this.members.length - 1; i >= 0; i--) this.members[i]!.subscriber.inappropriate();
      return undefined;
    }
  }
}
