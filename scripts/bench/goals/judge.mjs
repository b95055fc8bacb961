/** From rounds of results to a goal that is met or missed. */
import { median, quantile } from '../lib/statistics.mjs';

/**
 * @param {object} goal  of ./table.mjs
 * @param {Record<string, object>[]} rounds  results by variant; rounds with a void run do not count
 * @returns {Judged} `score` says how far it is: 1 is the goal, more is better
 * @typedef {{median: number, low: number, high: number, min: number, max: number, all: number[]}} Spread
 * @typedef {{id: string, what: string, unit: string, min?: number, max?: number, value: Spread | null, score: Spread | null,
 *   met: boolean | null, rounds: number, void: number, why: string | null}} Judged  met: null where nothing is asked
 */
export function judge({ of, ...goal }, rounds) {
  const runs = rounds.map((round) => Object.values(round));
  const valid = rounds.filter((_, i) => runs[i].every((result) => result.valid));
  const all = valid.map(of).filter((value) => Number.isFinite(value));
  const broken = runs.flat().find((result) => !result.valid);
  const judged = { ...goal, rounds: all.length, void: rounds.length - valid.length, why: broken?.void ?? null };
  if (all.length === 0) return { ...judged, value: null, score: null, met: hasGoal(goal) ? false : null };
  const value = spread(all);
  if (!hasGoal(goal)) return { ...judged, value, score: null, met: null };
  const score = spread(all.map((one) => (goal.min === undefined ? goal.max / one : one / goal.min)).map(bounded));
  return { ...judged, value, score, met: goal.min === undefined ? value.median <= goal.max : value.median >= goal.min };
}

const hasGoal = ({ min, max }) => min !== undefined || max !== undefined;
const SCORE_MAX = 100;
const bounded = (score) => Math.min(SCORE_MAX, Math.max(1 / SCORE_MAX, score));

const spread = (all) => ({
  median: median(all),
  low: quantile(all, 0.25),
  high: quantile(all, 0.75),
  min: Math.min(...all),
  max: Math.max(...all),
  all,
});

/** Of all cores, by server and generator. */
const TOGETHER_MAX = 0.7;
/** Of its own cores, by a generator that has such. */
const GENERATOR_MAX = 0.9;
/** Of its cores, by a server that should be at its limit. With time left it is woken for less work, and takes more for it. */
const SATURATED_MIN = 0.9;

/**
 * Runs in which the generator was in the server's way, or could not give it the load that it should, or the load was no more
 * than the server could do.
 * @param {Record<string, Record<string, object>[]>} rounds  by experiment
 * @param {(name: string) => {generator: number, server?: number} | {all: number} | undefined} coresOf  how many cores the
 *   generator has for itself in an experiment, and a server that should take them all, or both together; undefined where
 *   they are meant to take all
 * @returns {string[]} one line for each variant of an experiment
 */
export function crowded(rounds, coresOf) {
  return Object.entries(rounds).flatMap(([name, all]) => {
    const cores = coresOf(name);
    if (cores === undefined) return [];
    return Object.keys(all[0] ?? {}).flatMap((variant) => {
      const results = all.map((round) => round[variant]).filter(({ valid, cpu }) => valid && cpu);
      if (results.length === 0) return [];
      const found = cores.all === undefined ? ofItsOwn(results, cores) : ofAll(results, cores.all);
      return found.map((text) => `${name}, ${variant}: ${text}`);
    });
  });
}

function ofItsOwn(results, { generator, server }) {
  const found = [];
  const share = median(results.map(({ cpu, seconds }) => cpu.client_s / seconds / generator));
  if (share > GENERATOR_MAX) found.push(`the generator took ${percent(share)} of its cores`);
  else if (server !== undefined) {
    const served = median(results.map(({ cpu, seconds }) => cpu.server_total_s / seconds / server));
    if (served < SATURATED_MIN)
      found.push(`the server took ${percent(served)} of its cores: a higher --rate shows its limit`);
  }
  return found;
}

function ofAll(results, cores) {
  const share = median(results.map(({ cpu, seconds }) => (cpu.server_total_s + cpu.client_s) / seconds / cores));
  return share > TOGETHER_MAX ? [`server and generator took ${percent(share)} of all cores`] : [];
}

const percent = (share) => `${Math.round(share * 100)} %`;

/** `≥ 1.4 ×`; nothing where nothing is asked. @param {{min?: number, max?: number, unit: string}} goal */
export function goalText({ min, max, unit }) {
  if (min !== undefined) return `≥ ${min} ${unit}`;
  return max === undefined ? '' : `≤ ${max} ${unit}`;
}
