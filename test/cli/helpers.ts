import { run } from '../../src/cli/program.js';
import type { LoadedConfig } from '../../src/config/load.js';

export interface Outcome {
  code: number;
  out: string;
  err: string;
  /** What the server was started with, if it was. */
  started: LoadedConfig | undefined;
}

/** Runs the command line in `cwd` as a person would, without starting a server. */
export async function gyre(
  cwd: string,
  args: string[],
  env: Record<string, string> = {},
  start: () => void = () => undefined,
): Promise<Outcome> {
  const out: string[] = [];
  const err: string[] = [];
  let started: LoadedConfig | undefined;
  const io = { out: (line: string) => void out.push(line), err: (line: string) => void err.push(line), env, cwd };
  const code = await run(args, io, async (loaded) => {
    started = loaded;
    start();
  });
  return { code, out: out.join('\n'), err: err.join('\n'), started };
}
