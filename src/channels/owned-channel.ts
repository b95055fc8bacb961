/** A channel at its owner: which workers have subscribers for it. */

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

  constructor(readonly name: string) {}

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
