/** What the kernel alone takes to send: native-bench/floor.c, compiled and run where there is a C compiler. */
import { execFile, spawnSync } from 'node:child_process';
import { mkdirSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const SOURCE = here('../../../native-bench/floor.c');
const PROGRAM = here('../../../node_modules/.cache/gyre-bench/floor');
const SECONDS = 2;
const SOCKETS_MAX = 19_900;
/** What a push has around its data: frame header, channel name. */
const PUSH_BYTES = 60;
const FRAME_BYTES_MAX = 1000;

/** @returns path of the program, or undefined if it cannot be made here */
function compile() {
  const made = statSync(PROGRAM, { throwIfNoEntry: false });
  if (made !== undefined && made.mtimeMs > statSync(SOURCE).mtimeMs) return PROGRAM;
  if (process.platform !== 'linux') return undefined;
  mkdirSync(dirname(PROGRAM), { recursive: true });
  return spawnSync('cc', ['-O2', '-o', PROGRAM, SOURCE], { stdio: 'ignore' }).status === 0 ? PROGRAM : undefined;
}

/**
 * Fills in `floor` of a result of publications to subscribers: the kernel's cost of as many sends a second of as many bytes,
 * right after the run, on the same machine. Left null where that cannot be measured, and where requests of publishers are a
 * large part of the work: it says nothing there.
 *
 * @param {import('./cores.mjs').Cores} [cores]  of the server and of who receives from it
 */
export async function withFloor(result, cores) {
  const { subscribers, rate, size } = result.parameters;
  const cost = result.cpu.per_delivery_us;
  if (result.scenario !== 'fanout' || cost === null) return result;
  const program = compile();
  const bytes = size + PUSH_BYTES;
  if (program === undefined || subscribers > SOCKETS_MAX || bytes > FRAME_BYTES_MAX) return result;
  const args = { n: subscribers, r: Math.max(1, Math.round(rate)), t: SECONDS, s: bytes };
  if (cores !== undefined) Object.assign(args, { c: cores.server[0], d: cores.generator[0] });
  const flags = Object.entries(args).flatMap(([name, value]) => [`-${name}`, String(value)]);
  // It exits with 1 where its receiver could not keep up: there is no floor then.
  const floor = await promisify(execFile)(program, flags).then(
    ({ stdout }) => JSON.parse(stdout),
    () => null,
  );
  if (floor === null || !(floor.cpu_us_per_delivery > 0)) return result;
  const perSend = floor.cpu_us_per_delivery;
  return { ...result, floor: { us_per_send: perSend, times: Number((cost / perSend).toFixed(2)) } };
}
