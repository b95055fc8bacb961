/** A channel at its owner: which workers have subscribers for it. */
import type { Attaching } from './attaching.js';
import type { Follower } from './follower.js';

/** Shared by all channels that nobody is attaching to: most of them, most of the time. */
const NONE: Attaching[] = [];

export class Attachment {
  /** {@link Link.owedEpoch} in which the worker was last told of a loss that it may not have read yet. */
  lostEpoch = 0;

  /** @param edgeId  the worker's own number for the channel, so that it needs no look-up by name. */
  constructor(
    readonly slot: number,
    readonly edgeId: number,
  ) {}
}

export class OwnedChannel {
  /** Most channels are on one worker: an array of exactly one. */
  edges: Attachment[] = [];
  /** Requests to attach that have not been answered. */
  attaching: Attaching[] = NONE;
  /** Where the channel has history: keeps its stream without gaps. */
  follower: Follower | undefined;
  /** Resolves when the broker delivers the channel; undefined once it does. */
  subscribing: Promise<void> | undefined;
  /** Kept for a while although nobody uses it. */
  lingers = false;

  constructor(readonly name: string) {}

  get unused(): boolean {
    return this.edges.length === 0 && this.attaching.length === 0;
  }

  expect(attaching: Attaching): void {
    if (this.attaching.length === 0) this.attaching = [attaching];
    else this.attaching.push(attaching);
  }

  /** @returns false if it was not expected any more. */
  settle(attaching: Attaching): boolean {
    const at = this.attaching.indexOf(attaching);
    if (at >= 0) this.attaching.splice(at, 1);
    if (this.attaching.length === 0) this.attaching = NONE;
    return at >= 0;
  }

  attach(slot: number, edgeId: number): void {
    const at = this.edges.findIndex((edge) => edge.slot === slot);
    if (at >= 0 && this.edges[at]!.edgeId === edgeId) return;
    if (at >= 0) this.edges.splice(at, 1);
    const edge = new Attachment(slot, edgeId);
    if (this.edges.length === 0) this.edges = [edge];
    else this.edges.push(edge);
  }

  detach(slot: number, edgeId: number): void {
    const at = this.edges.findIndex((edge) => edge.slot === slot && edge.edgeId === edgeId);
    if (at >= 0) this.edges.splice(at, 1);
  }

  detachAll(slot: number): void {
    const at = this.edges.findIndex((edge) => edge.slot === slot);
    if (at >= 0) this.edges.splice(at, 1);
  }
}
