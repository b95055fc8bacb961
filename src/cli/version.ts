import { readFileSync } from 'node:fs';
import { Command } from 'commander';
import type { Io } from './io.js';

/** The version of this package. */
export function version(): string {
  const manifest: unknown = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  return (manifest as { version: string }).version;
}

export const versionCommand = (io: Io): Command =>
  new Command('version').description('print the version').action(() => {
    io.out(`Gyre v${version()} (Node.js ${process.version})`);
  });
