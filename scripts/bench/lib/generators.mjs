/** Which load generator is used, and running it. */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { checkResult } from './result.mjs';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const NATIVE = here('../../../native-bench/target/release/gyre-bench');
const JAVASCRIPT = here('../generator/main.mjs');
const RUN_EXTRA_MS = 180_000;

/**
 * @param {string} [wanted] native or javascript; else the native one, if it is built
 * @returns {{name: string, command: string[], hint?: string}}
 */
export function chooseGenerator(wanted) {
  const javascript = { name: 'javascript', command: [process.execPath, JAVASCRIPT] };
  if (wanted === 'javascript') return javascript;
  if (existsSync(NATIVE)) return { name: 'native', command: [NATIVE] };
  const hasCargo = spawnSync('cargo', ['--version'], { stdio: 'ignore' }).status === 0;
  const how = hasCargo ? '`npm run bench:native` builds' : 'with Rust installed, `npm run bench:native` builds';
  if (wanted === 'native') throw new Error(`the native generator is not built: ${how} it`);
  return {
    ...javascript,
    hint: `${how} the native load generator, which takes less CPU from the server than JavaScript.`,
  };
}

/**
 * Runs one scenario.
 * @param {{command: string[]}} generator
 * @param {string[]} args scenario and flags
 * @param {object} server as started
 * @param {number} seconds how long the load takes, for the time limit
 * @returns {Promise<object>} the result, checked; a void one too
 */
export async function generate({ command }, args, server, seconds) {
  const [program, ...first] = command;
  const flags = ['--json', '--url', server.url];
  if (server.pid !== undefined && !args.includes('--pid')) flags.push('--pid', String(server.pid));
  if (server.redis.length > 0) flags.push('--redis', server.redis.join(','));
  const child = spawn(program, [...first, ...args, ...flags], {
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: seconds * 1000 + RUN_EXTRA_MS,
  });
  const kill = () => child.kill('SIGKILL');
  process.on('exit', kill);
  const [stdout, stderr, code] = await Promise.all([
    textOf(child.stdout),
    textOf(child.stderr),
    new Promise((resolve, reject) => child.on('error', reject).on('close', (code, signal) => resolve(code ?? signal))),
  ]);
  process.off('exit', kill);
  const line = stdout.trim().split('\n').at(-1);
  if (!line.startsWith('{'))
    throw new Error(`${args[0]}: the generator ended with ${code}: ${stderr.trim() || 'no result'}`);
  return checkResult(JSON.parse(line));
}

async function textOf(stream) {
  let text = '';
  for await (const part of stream.setEncoding('utf8')) text += part;
  return text;
}
