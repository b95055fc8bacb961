/**
 * Which master has which slots, asked of the servers themselves: now and then, and soon after anything that hints at a
 * change (a redirection, a failed command, a connection that came or went).
 *
 * A server cut off from the majority goes on showing the map as it was. It knows that it is cut off, so a map is taken from
 * a server that finds the cluster usable, and only if there is none from one that does not.
 */
import type { ClusterServer, ClusterServers } from './cluster-server.js';
import type { Endpoint } from './options.js';
import type { Reply } from './shard.js';
import { parseSlotRanges, type SlotRange } from './slots.js';

const REFRESH_INTERVAL_MS = 5000;
/** While a master is away: its replica may have taken over by now. */
const IMPATIENT_INTERVAL_MS = 500;
/** However many redirections there are, the map is not asked for more often. */
const MIN_INTERVAL_MS = 100;
const ASKED_AT_ONCE = 3;
/** Intervals differ by up to this share, so that the workers of many nodes do not ask all at once. */
const JITTER = 0.25;

interface View {
  readonly ranges: SlotRange[];
  readonly isUsable: boolean;
}

export class ClusterTopology {
  /** There is a map. */
  readonly found: Promise<void>;
  #resolveFound!: () => void;
  #timer: NodeJS.Timeout | undefined;
  #dueMs = Number.POSITIVE_INFINITY;
  #lookedMs = Number.NEGATIVE_INFINITY;
  #isLooking = false;
  #isClosed = false;

  /** @param adopt  takes a new map; answers whether all is well, so that there is no hurry to look again. */
  constructor(
    private readonly seeds: readonly Endpoint[],
    private readonly servers: ClusterServers,
    private readonly adopt: (ranges: readonly SlotRange[]) => boolean,
  ) {
    this.found = new Promise((resolve) => {
      this.#resolveFound = resolve;
    });
  }

  /** Connect to the seeds; the first that stands is asked. */
  start(): void {
    for (const seed of this.seeds) this.servers.at(seed);
    this.#lookIn(IMPATIENT_INTERVAL_MS);
  }

  refreshSoon(): void {
    if (!this.#isClosed) this.#lookIn(Math.max(0, this.#lookedMs + MIN_INTERVAL_MS - performance.now()));
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
  }

  /** At the latest: an earlier look stays. */
  #lookIn(delayMs: number): void {
    const dueMs = performance.now() + delayMs;
    if (dueMs >= this.#dueMs) return;
    this.#dueMs = dueMs;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#look(), delayMs);
  }

  async #look(): Promise<void> {
    this.#dueMs = Number.POSITIVE_INFINITY;
    // Asked for while one is under way: what hinted at a change may be newer than the answer.
    if (this.#isLooking) return this.#lookIn(MIN_INTERVAL_MS);
    this.#isLooking = true;
    this.#lookedMs = performance.now();
    const view = await this.#askServers();
    this.#isLooking = false;
    if (this.#isClosed) return;
    const intervalMs = this.#found(view) ? REFRESH_INTERVAL_MS : IMPATIENT_INTERVAL_MS;
    this.#lookIn(intervalMs * (1 + JITTER * (2 * Math.random() - 1)));
  }

  /** Answers whether all is well. */
  #found(view: View | undefined): boolean {
    if (view === undefined) {
      for (const seed of this.seeds) this.servers.at(seed);
      return false;
    }
    const isWell = this.adopt(view.ranges);
    this.#resolveFound();
    return isWell && view.isUsable;
  }

  /** Some at once, so that one that hangs holds nothing up; all the others if those are of no use. */
  async #askServers(): Promise<View | undefined> {
    const servers = shuffled(this.servers.connected);
    const views: View[] = [];
    const usable = (asked: ClusterServer[]): Promise<View | undefined> =>
      Promise.any(asked.map((server) => askUsable(server, views))).catch(() => undefined);
    return (await usable(servers.splice(0, ASKED_AT_ONCE))) ?? (await usable(servers)) ?? views[0];
  }
}

const shuffled = <T>(items: readonly T[]): T[] =>
  items
    .map((item) => ({ item, order: Math.random() }))
    .sort((a, b) => a.order - b.order)
    .map(({ item }) => item);

/** Rejects if there is no answer or the server does not find the cluster usable: then `views` has what it sees. */
async function askUsable({ link, endpoint }: ClusterServer, views: View[]): Promise<View> {
  const answer = (...args: string[]): Promise<Reply> =>
    new Promise((reply, fail) => link.command(args, { reply, fail }));
  const [slots, info] = await Promise.all([answer('CLUSTER', 'SLOTS'), answer('CLUSTER', 'INFO')]);
  const view = { ranges: parseSlotRanges(slots, endpoint), isUsable: String(info).includes('cluster_state:ok') };
  if (view.isUsable) return view;
  views.push(view);
  throw new Error('the server does not find the cluster usable');
}
