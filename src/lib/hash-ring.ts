import { fnv1a64 } from './fnv.js';

export interface RingMember {
  readonly name: string;
  /** A whole number of at least 1: the share of the keys in relation to the other members. */
  readonly weight: number;
}

/**
 * Points of a member per unit of weight. The share of one of four equal members is then 25 % give or take 0.5 %; four
 * members of weight 1 take 48 KB.
 */
const POINTS_PER_WEIGHT = 2048;

const key = new Uint32Array(2);

/**
 * Where a text is on the ring: FNV-1a 64 of its UTF-8 bytes, both halves XORed, then the finaliser of MurmurHash3 (32
 * bits), which FNV needs because it leaves the high bits of short texts alike. Part of what nodes must agree on: it
 * must never change.
 */
export function ringPoint(text: string): number {
  fnv1a64(text, key);
  let h = key[0]! ^ key[1]!;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/**
 * Consistent hashing (Karger et al., 1997): the points of a member are those of `name#0`, `name#1`, …, and a key belongs to
 * the member of the first point at or after its own, around the end to the first. A member that joins takes keys from all
 * others in proportion, one that leaves gives its own away, and nothing else moves. Only names, weights and keys matter:
 * not the order of members, nor the process or version.
 */
export class HashRing {
  readonly #points: Uint32Array;
  readonly #owners: Uint16Array;

  /** @param members  at least one, at most 65536, with different names. */
  constructor(members: readonly RingMember[]) {
    const all: { point: number; owner: number }[] = [];
    members.forEach(({ name, weight }, owner) => {
      for (let i = 0; i < weight * POINTS_PER_WEIGHT; i++) all.push({ point: ringPoint(`${name}#${i}`), owner });
    });
    // Where two members have the same point the smaller name has it, whoever is listed first.
    const nameOf = (owner: number): string => members[owner]!.name;
    all.sort((a, b) => a.point - b.point || (nameOf(a.owner) < nameOf(b.owner) ? -1 : 1));
    this.#points = Uint32Array.from(all, ({ point }) => point);
    this.#owners = Uint16Array.from(all, ({ owner }) => owner);
  }

  /** @returns number of the member in the list that the ring was made of. */
  memberOf(text: string): number {
    const points = this.#points;
    const wanted = ringPoint(text);
    let low = 0;
    let high = points.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (points[middle]! < wanted) low = middle + 1;
      else high = middle;
    }
    return this.#owners[low === points.length ? 0 : low]!;
  }
}
