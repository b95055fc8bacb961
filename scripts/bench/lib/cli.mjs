/** What the benches share as commands: whole-number options with bounds, and errors in one line. */
import { parseArgs } from 'node:util';

/**
 * @param {Record<string, string>} defaults option names and their defaults; an option without one is `undefined` unless given
 * @returns {{args: Record<string, string | undefined>, number: (name: string, min: number, max: number) => number}}
 *   `number` throws a RangeError that names the option and its bounds.
 */
export function commandLine(defaults) {
  const options = Object.fromEntries(Object.keys(defaults).map((name) => [name, { type: 'string' }]));
  const args = { ...defaults, ...parseArgs({ options }).values };
  const number = (name, min, max) => {
    const value = Number(args[name]);
    if (Number.isInteger(value) && value >= min && value <= max) return value;
    throw new RangeError(`--${name} must be an integer from ${min} to ${max}`);
  };
  return { args, number };
}

/** Runs a bench; what goes wrong is one line on stderr and exit code 2, so that 1 stays for a void run. */
export async function runBench(bench) {
  try {
    process.exitCode = (await bench()) ? 0 : 1;
  } catch (error) {
    console.error(error.message);
    process.exit(2);
  }
}
