/**
 * The other nodes, as they are heard (centrifuge `nodeRegistry`, `sendNodePing`). Every node says every {@link PING_MS} what it
 * is; one that is not heard for {@link SILENCE_MS} is gone. One that is heard for the first time is answered directly, so that
 * it knows everybody a moment after its start.
 */

import type { NodeInfo } from '../api/info.js';
import { monotonicClock } from '../lib/clock.js';
import type { Bytes } from '../protocol/messages.js';
import type { ControlMessage, NodeReport } from './control-messages.js';

export const PING_MS = 3000;
export const SILENCE_MS = 7000;
/** More than anybody runs; bounds what a flood of made-up uids can take. */
export const NODES_MAX = 4096;
const DATA_MAX_BYTES = 1024;

/** How this node places channels on shards. */
export interface Placement {
  /** The same on all nodes that place every channel on the same shard as this one. */
  readonly fingerprint: string;
  /** Number of shards. */
  readonly shards: number;
  /** Whether it replaces another list, which this node hears too. */
  readonly isChanging: boolean;
  /** Whether nodes that do not tell theirs, which are Centrifugo's, place channels as this one does. */
  readonly asCentrifugo: boolean;
}

export interface NodesDeps {
  readonly uid: string;
  info(): Promise<NodeInfo>;
  /** See Controller.publish. */
  send(message: ControlMessage, nodeUid: string): Promise<void>;
  readonly placement: Placement;
  /** A node said goodbye or fell silent. */
  left(uid: string): void;
  /** Whether all shards that other nodes may speak on are heard just now. */
  hearsAll(): boolean;
  /**
   * Whether there may be nodes whose placement is another or not known. False only after {@link SILENCE_MS} in which every
   * such node would have been heard. Called with every ping, not only when it changes, so that a replaced worker finds out.
   */
  foreignNodes(present: boolean): void;
  readonly log: { info(fields: object, message: string): void; error(fields: object, message: string): void };
}

interface Other {
  readonly info: NodeInfo;
  readonly isForeign: boolean;
  readonly heardAt: number;
}

export class Nodes {
  readonly #others = new Map<string, Other>();
  /** Uids are never used again: a ping that its sender's goodbye has overtaken does not bring it back. */
  readonly #goodbyes = new Map<string, number>();
  #timer: NodeJS.Timeout | undefined;
  /** When it was last possible that somebody was not heard. */
  #deafAt = 0;
  #leaving = false;
  /** Nodes with another list of shards, or an unknown one. */
  #mayBeForeign = true;

  constructor(private readonly deps: NodesDeps) {}

  /** Say hello and start to ping. Whoever is there answers directly. */
  async join(): Promise<void> {
    this.#deafAt = monotonicClock.now();
    this.#timer = setInterval(() => void this.#tick(), PING_MS);
    await this.#report('');
  }

  /** Say goodbye. Nothing is sent after it. */
  async leave(): Promise<void> {
    this.#leaving = true;
    clearInterval(this.#timer);
    await this.#send({ kind: 'shutdown' }, '');
  }

  /** Uids of the others. */
  uids(): Iterable<string> {
    this.#expire();
    return this.#others.keys();
  }

  knows(uid: string): boolean {
    this.#expire();
    return this.#others.has(uid);
  }

  /** This node first. */
  async list(): Promise<NodeInfo[]> {
    const own = await this.deps.info();
    this.#expire();
    return [own, ...Array.from(this.#others.values(), ({ info }) => info)];
  }

  heard({ data, ...info }: NodeReport): void {
    const { uid } = info;
    if (uid === this.deps.uid || this.#goodbyes.has(uid)) return;
    const isNew = !this.#others.has(uid);
    if (isNew && this.#others.size >= NODES_MAX) return;
    const told = placementIn(data);
    this.#others.set(uid, { info, isForeign: !this.#isOurs(told), heardAt: monotonicClock.now() });
    if (!isNew) return;
    this.deps.log.info({ node: info.name, uid }, 'node joined');
    if (!this.#isOurs(told) && !(told === undefined && this.deps.placement.asCentrifugo)) this.#complain(info);
    this.#tellForeign();
    void this.#report(uid);
  }

  /** A node said goodbye. */
  departed(uid: string): void {
    if (this.#goodbyes.size < NODES_MAX) this.#goodbyes.set(uid, monotonicClock.now());
    this.#remove(uid, 'node left');
  }

  async #tick(): Promise<void> {
    if (!this.deps.hearsAll()) this.#deafAt = monotonicClock.now();
    this.#expire();
    this.#tellForeign();
    await this.#report('');
  }

  async #report(to: string): Promise<void> {
    const info = await this.deps.info();
    if (this.#leaving) return;
    const { fingerprint, shards } = this.deps.placement;
    const data = Buffer.from(JSON.stringify({ placement: fingerprint, shards }));
    await this.#send({ kind: 'node', node: { ...info, data } }, to);
  }

  async #send(message: ControlMessage, to: string): Promise<void> {
    try {
      await this.deps.send(message, to);
    } catch {
      // The controller logs that shards are away, and the next ping says the same.
    }
  }

  #expire(): void {
    const since = monotonicClock.now() - SILENCE_MS;
    for (const [uid, { heardAt }] of this.#others) if (heardAt < since) this.#remove(uid, 'node fell silent');
    for (const [uid, at] of this.#goodbyes) if (at < since) this.#goodbyes.delete(uid);
  }

  #remove(uid: string, why: string): void {
    const other = this.#others.get(uid);
    if (other === undefined) return;
    this.#others.delete(uid);
    this.deps.log.info({ node: other.info.name, uid }, why);
    this.#tellForeign();
    this.deps.left(uid);
  }

  /** While not everybody could be heard it stays as it was: who is not heard may be there, or have gone. */
  #tellForeign(): void {
    const isHeard = [...this.#others.values()].some(({ isForeign }) => isForeign);
    const isDeaf = monotonicClock.now() - this.#deafAt < SILENCE_MS;
    if (isHeard || !isDeaf) this.#mayBeForeign = isHeard;
    this.deps.foreignNodes(this.#mayBeForeign);
  }

  #isOurs(theirs: ToldPlacement | undefined): boolean {
    const { fingerprint, shards, isChanging } = this.deps.placement;
    // Where each has one shard, and hears no other, it is the same, or they would not hear each other.
    return theirs?.placement === fingerprint || (theirs?.shards === 1 && shards === 1 && !isChanging);
  }

  #complain({ name, uid, version }: NodeInfo): void {
    this.deps.log.error(
      { node: name, uid, version },
      'a node has other shards, or names them differently: publications may not get from one node to the other',
    );
  }
}

/** What nodes put into the data of their report, in JSON. */
interface ToldPlacement {
  readonly placement: unknown;
  readonly shards: unknown;
}

function placementIn(data: Bytes): ToldPlacement | undefined {
  if (data.length === 0 || data.length > DATA_MAX_BYTES) return undefined;
  try {
    const told = JSON.parse(Buffer.from(data).toString('utf8')) as Partial<ToldPlacement> | null;
    return typeof told?.placement === 'string' ? { placement: told.placement, shards: told.shards } : undefined;
  } catch {
    return undefined;
  }
}
