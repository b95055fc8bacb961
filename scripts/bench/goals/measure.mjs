/** Measuring experiments, round by round. What was measured is kept in a file, so that a table can be filled in by and by. */
import { execFile } from 'node:child_process';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { keptTo } from '../lib/cores.mjs';
import { withFloor } from '../lib/floor.mjs';
import { generate } from '../lib/generators.mjs';
import { startServer } from '../lib/servers.mjs';
import { defaultsOf } from '../scenarios.mjs';

/** For estimates. */
const MICRO_SECONDS = 15;
const FLOOR_SECONDS = 4;
const OPENED_PER_SECOND = 3000;
const START_SECONDS = 1.5;
/** An idle load waits for a second after each step of opening. */
const IDLE_STEPS = 6;
const MICRO = fileURLToPath(new URL('../micro.mjs', import.meta.url));
const LIBRARY = `node ${fileURLToPath(new URL('../bare.mjs', import.meta.url))} {port} {config}`;

/** What was measured so far: rounds by experiment, each with what it was measured with. */
export class Measured {
  #kept = {};

  /** @param {string} file  of an earlier run, or of none yet */
  constructor(file) {
    this.file = file;
    try {
      this.#kept = JSON.parse(readFileSync(file, 'utf8'));
    } catch (error) {
      if (error.code !== 'ENOENT') throw new Error(`${file} cannot be read: ${error.message}`);
    }
  }

  /** Measured with other options or against another server, rounds do not count. */
  of(name, key) {
    const kept = this.#kept[name];
    if (kept?.key !== key) this.#kept[name] = { key, rounds: [] };
    return this.#kept[name];
  }

  save() {
    writeFileSync(`${this.file}.new`, JSON.stringify(this.#kept));
    renameSync(`${this.file}.new`, this.file);
  }
}

/**
 * @param {object} setup
 * @param {string} setup.other  the server to compare with, as for startServer
 * @param {string} [setup.base]  instead of Gyre as built
 * @param {{command: string[]}} setup.generator
 * @param {object} setup.overrides  load options for all, by name
 * @param {import('../lib/cores.mjs').Cores} [setup.cores]  undefined where they cannot be kept apart
 */
export class Bench {
  constructor(setup) {
    this.setup = setup;
  }

  /** Says with what an experiment is measured. */
  keyOf(experiment) {
    const { other, base, generator, overrides, cores } = this.setup;
    return JSON.stringify([experiment, other, base, generator.name, overrides, cores]);
  }

  /** Seconds that a round should take. */
  secondsOf({ variants, floor }) {
    const each = Object.values(variants).map((variant) => {
      if (variant.micro) return MICRO_SECONDS;
      const load = this.#loadOf(variant);
      const [seconds, warmup] = [Number(load.seconds), Number(load.warmup)];
      const opening = load.subscribers / OPENED_PER_SECOND + (variant.scenario === 'idle' ? IDLE_STEPS : 0);
      return seconds + warmup + opening + START_SECONDS;
    });
    return each.reduce((sum, seconds) => sum + seconds, floor ? FLOOR_SECONDS : 0);
  }

  /**
   * Runs all variants of an experiment, in their order or in the opposite.
   * @param {number} number  of the round, from 0
   * @param {{rate?: number}} state  of the experiment, kept with its rounds
   * @returns {Promise<Record<string, object>>} results by variant
   */
  async round(experiment, number, state, tell) {
    const names = Object.keys(experiment.variants);
    if (experiment.loadTo) state.rate ??= await this.#rateFor(experiment, tell);
    const round = {};
    for (const name of number % 2 === 0 ? names : names.toReversed()) {
      tell(name);
      const rate = state.rate && { rate: state.rate };
      const cores = this.#coresFor(experiment);
      const result = await this.#run(experiment.variants[name], cores, rate);
      round[name] = experiment.floor && name === 'a' ? await withFloor(result, cores) : result;
    }
    return round;
  }

  #coresFor({ together }) {
    return together ? undefined : this.setup.cores;
  }

  #loadOf({ scenario, load }, more = {}) {
    return { ...defaultsOf(scenario), ...load, ...more, ...this.setup.overrides };
  }

  async #run(variant, cores, more) {
    if (variant.micro) return microResult(variant);
    const { scenario, redis, config, server: which } = variant;
    const load = { ...variant.load, ...more, ...this.setup.overrides };
    const flags = Object.entries(load).flatMap(([name, value]) => [`--${name}`, String(value)]);
    const { seconds, warmup } = this.#loadOf(variant, more);
    const limit = Number(seconds) + Number(warmup) + IDLE_STEPS;
    const target = { gyre: this.setup.base, other: this.setup.other, library: LIBRARY }[which];
    const { generator } = this.setup;
    const command = keptTo(cores?.generator, generator.command);
    const server = await startServer({ target, redis, config, cores });
    try {
      return await generate({ ...generator, command }, [scenario, ...flags], server, limit);
    } finally {
      await server.stop();
    }
  }

  /** The rate at which a variant would take its share of the server's cores, by what it takes at the given one. */
  async #rateFor(experiment, tell) {
    const { variants, loadTo } = experiment;
    tell(`${loadTo.by}, for the rate`);
    const cores = this.#coresFor(experiment);
    const result = await this.#run(variants[loadTo.by], cores);
    if (!result.valid) throw new Error(`the rate cannot be found: ${result.void}`);
    const { cpu, counts } = result;
    // Where they are not kept apart the generator needs its part of the cores, too.
    const busy = cpu.server_total_s + (cores === undefined ? cpu.client_s : 0);
    const all = cores?.server.length ?? availableParallelism();
    return Math.max(1, Math.round((loadTo.share * all * counts.operations) / busy));
  }
}

async function microResult({ micro, flags }) {
  const args = [MICRO, '--part', micro, ...flags];
  const { stdout } = await promisify(execFile)(process.execPath, args);
  const rows = JSON.parse(stdout.trimEnd().split('\n').at(-1))[micro];
  return { valid: true, void: null, rows };
}
