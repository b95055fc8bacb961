/** Readiness: whether this process should be sent traffic. */
import type { ShardHealth } from '../engine/engine.js';
import type { Asks } from '../mesh/asks.js';
import type { HttpResponse, HttpRoute } from '../transport/http.js';

/** A thread that takes longer to answer hangs. */
const ANSWER_DEADLINE_MS = 1000;

/** Every thread answers for the links to shards that it has, main for those of the controller. */
export function answerHealth(asks: Pick<Asks, 'answer'>, shards: () => readonly ShardHealth[]): void {
  asks.answer('engine.health', shards);
}

/** What is wrong, as the body of the answer; empty lists are left out. */
interface Faults {
  /** Names of shards that a worker cannot use. */
  engine?: string[];
  /** Names of shards on which this node does not hear others, or cannot speak to them. */
  controller?: string[];
  /** Threads that did not answer: numbers of workers, `main`. */
  silent?: string[];
}

/** 200 `{}` when every thread answers and all its shards are healthy, else 503 with what is wrong. */
export function readyRoute(path: string, asks: Pick<Asks, 'ask' | 'workers'>): HttpRoute {
  return {
    path,
    headers: [],
    maxBodyBytes: 0,
    handle: async () => respond(await findFaults(asks)),
  };
}

async function findFaults(asks: Pick<Asks, 'ask' | 'workers'>): Promise<Faults> {
  const threads = Array.from({ length: asks.workers + 1 }, (_, slot) => unhealthy(asks, slot));
  const answers = await Promise.all(threads);
  const silent = answers.flatMap((names, slot) => (names === undefined ? [slot] : []));
  const controller = answers.pop() ?? [];
  const faults: Required<Faults> = {
    engine: [...new Set(answers.flatMap((names) => names ?? []))],
    controller,
    silent: silent.map((slot) => (slot === asks.workers ? 'main' : String(slot))),
  };
  return Object.fromEntries(Object.entries(faults).filter(([, found]) => found.length > 0));
}

/** @returns undefined if the thread does not answer. */
async function unhealthy(asks: Pick<Asks, 'ask'>, slot: number): Promise<string[] | undefined> {
  try {
    const shards = (await asks.ask(slot, 'engine.health', null, ANSWER_DEADLINE_MS)) as ShardHealth[];
    return shards.filter(({ healthy }) => !healthy).map(({ name }) => name);
  } catch {
    return undefined;
  }
}

function respond(faults: Faults): HttpResponse {
  const ready = Object.keys(faults).length === 0;
  return {
    status: ready ? 200 : 503,
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(faults),
  };
}
