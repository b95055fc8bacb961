/**
 * A channel at an edge: the members that this worker holds, grouped into delivery classes, and how far its stream has
 * been seen here.
 */
import { isUtf8 } from 'node:buffer';
import type { Clock } from '../lib/clock.js';
import type { Turn } from '../lib/turn.js';
import { decodeEntry, ENTRY_DELTA, entryFlags, entryTime } from '../protocol/entry.js';
import type { Bytes, ClientInfo, Publication } from '../protocol/messages.js';
import type { Member } from './channels.js';
import { type ClassTraits, DeliveryClass, withDelta } from './delivery.js';
import { createDelta } from './delta.js';

const UNKNOWN = -1;

export interface EdgeChannelDeps {
  readonly turn: Pick<Turn, 'touch'>;
  readonly clock: Clock;
  readonly maxLagMs?: number;
}

export class EdgeChannel {
  classes: DeliveryClass[] = [];
  members = 0;
  /** Subscribe calls under way. */
  pending = 0;
  /** Offset up to which the stream was seen here; unknown where nobody is positioned. */
  #top = UNKNOWN;
  /** Last payload, kept while somebody takes deltas: every such member has it as base once it is `ready`. */
  #base: Buffer | undefined;

  constructor(
    readonly id: number,
    readonly name: string,
    readonly owner: number,
    private readonly deps: EdgeChannelDeps,
  ) {}

  /**
   * Deliver a publication. The stream must go on where it stopped, or whoever relies on it is told.
   * @param entry  borrowed.
   */
  deliver(entry: Bytes): void {
    const pub = decodeEntry(entry);
    if (pub.offset > 0 && this.#top !== UNKNOWN && (pub.offset !== this.#top + 1 || this.#isLate(entry))) this.lose();
    if (pub.offset > 0) this.#top = pub.offset;
    const base = (entryFlags(entry) & ENTRY_DELTA) !== 0 ? this.#base : undefined;
    let patch: Publication | undefined;
    let fresh = false;
    // Backwards, because a class disappears when its members cannot carry the payload.
    for (let i = this.classes.length - 1; i >= 0; i--) {
      const cls = this.classes[i]!;
      if (!cls.accepts(pub)) continue;
      const { delta, codec } = cls.traits;
      if (delta === 'ready' && base !== undefined) {
        patch ??= asPatch(pub, base);
        cls.publication(carries(codec.name, patch) ? patch : pub);
      } else cls.publication(pub);
      fresh ||= delta === 'fresh';
    }
    // Only now: a class of ready members further on would have given them this publication again.
    if (fresh) this.#becomeReady();
    if (this.#base !== undefined || this.#takesDeltas()) this.#base = Buffer.from(pub.data);
  }

  announce(kind: 'join' | 'leave', info: ClientInfo): void {
    for (const cls of this.classes) if (cls.traits.joinLeave) cls.push({ channel: this.name, [kind]: { info } });
  }

  /** Publications were lost on the way here: no positioned member may see a later one. */
  lose(): void {
    this.#top = UNKNOWN;
    this.#base = undefined;
    for (const cls of [...this.classes]) {
      cls.flush();
      for (let i = cls.members.length - 1; i >= 0; i--) {
        const member = cls.members[i]!;
        if (member.seat?.positioned) member.insufficientState();
        else if (cls.traits.delta === 'ready') this.#move(member, withDelta(cls.traits, 'fresh'));
      }
    }
  }

  /**
   * A member becomes live at `top`.
   * @param base  the payload of the publication at `top`, if the member has just been given it.
   */
  add(member: Member, traits: ClassTraits, delta: boolean, top: number, base: Bytes | undefined): void {
    if (top >= 0) {
      if (this.#top !== UNKNOWN && this.#top !== top) this.lose();
      this.#top = top;
    }
    this.#enter(member, withDelta(traits, !delta ? 'none' : this.#sharesBase(base) ? 'ready' : 'fresh'));
    this.members++;
  }

  /** @param cls  where the member stands. */
  remove(member: Member, cls: DeliveryClass): void {
    this.#leave(member, cls);
    this.members--;
    if (!this.#takesDeltas()) this.#base = undefined;
  }

  /** The owner was replaced: its stream starts anew. */
  forgetPosition(): void {
    this.#top = UNKNOWN;
  }

  /** A publication that skipped history is the base of the members here, but nobody recovers it. */
  #sharesBase(base: Bytes | undefined): boolean {
    if (base === undefined) return false;
    this.#base ??= Buffer.from(base);
    return this.#base.equals(base);
  }

  *all(): Iterable<Member> {
    for (const cls of this.classes) yield* cls.members;
  }

  #enter(member: Member, traits: ClassTraits): void {
    let cls = this.classes.find((candidate) => candidate.is(traits));
    if (cls !== undefined) cls.add(member);
    else {
      cls = new DeliveryClass(traits, this.name, this.deps.turn, member);
      if (this.classes.length === 0) this.classes = [cls];
      else this.classes.push(cls);
    }
    member.seat!.delivery = cls;
  }

  #leave(member: Member, cls: DeliveryClass): void {
    cls.remove(member);
    const at = this.classes.indexOf(cls);
    if (cls.members.length === 0 && at >= 0) this.classes.splice(at, 1);
  }

  #move(member: Member, traits: ClassTraits): void {
    this.#leave(member, member.seat!.delivery!);
    // Flushing may have closed the connection.
    if (member.seat !== undefined) this.#enter(member, traits);
  }

  #isLate(entry: Bytes): boolean {
    const { clock, maxLagMs = 0 } = this.deps;
    return maxLagMs > 0 && clock.now() - entryTime(entry) > maxLagMs;
  }

  #becomeReady(): void {
    for (const cls of this.classes.filter(({ traits }) => traits.delta === 'fresh')) {
      const traits = withDelta(cls.traits, 'ready');
      for (let i = cls.members.length - 1; i >= 0; i--) this.#move(cls.members[i]!, traits);
    }
  }

  #takesDeltas(): boolean {
    return this.classes.some((cls) => cls.traits.delta !== 'none');
  }
}

/** @returns `pub` itself where a patch would not be smaller. */
export function asPatch(pub: Publication, base: Bytes): Publication {
  const data = createDelta(base, pub.data);
  return data.length < pub.data.length ? { ...pub, data, delta: true } : pub;
}

/** A JSON string cannot carry a patch that cuts a character in two; that publication stays whole. */
function carries(codec: 'json' | 'protobuf', patch: Publication): boolean {
  return codec !== 'json' || isUtf8(patch.data);
}

/** Recovered publications as a chain: the first whole, each later one a patch against the one before. */
export function asPatchChain(publications: readonly Publication[], codec: 'json' | 'protobuf'): Publication[] {
  return publications.map((pub, i) => {
    if (i === 0) return pub;
    const patch = asPatch(pub, publications[i - 1]!.data);
    return carries(codec, patch) ? patch : pub;
  });
}
