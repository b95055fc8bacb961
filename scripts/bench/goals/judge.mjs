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

const SHARE_MAX = 0.7;

/**
 * Runs in which server and generator together took so much that they were in each other's way.
 * @param {Record<string, Record<string, object>[]>} rounds  by experiment
 * @returns {string[]} one line for each variant of an experiment; those that are meant to load the machine are left out
 */
export function crowded(rounds, cores, isMeant) {
  return Object.entries(rounds).flatMap(([name, all]) => {
    if (isMeant(name)) return [];
    const variants = Object.keys(all[0] ?? {});
    return variants.flatMap((variant) => {
      const shares = all
        .map((round) => round[variant])
        .filter((result) => result.valid && result.cpu)
        .map(shareOf(cores));
      if (shares.length === 0 || median(shares) <= SHARE_MAX) return [];
      return `${name}, ${variant}: server and generator took ${Math.round(median(shares) * 100)} % of all cores`;
    });
  });
}

const shareOf =
  (cores) =>
  ({ cpu, seconds }) =>
    (cpu.server_total_s + cpu.client_s) / seconds / cores;

/** `≥ 1.4 ×`; nothing where nothing is asked. @param {{min?: number, max?: number, unit: string}} goal */
export function goalText({ min, max, unit }) {
  if (min !== undefined) return `≥ ${min} ${unit}`;
  return max === undefined ? '' : `≤ ${max} ${unit}`;
}
