import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { ConfigError } from '../../src/config/config-error.js';
import { type ReadConfig, readConfig, type Sources } from '../../src/config/read.js';

/** A directory with the given files that is gone after the test. */
export function directoryWith(files: Record<string, string>): string {
  const directory = mkdtempSync(join(tmpdir(), 'gyre-config-'));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text);
  return directory;
}

/** Reads what a JSON file with `content` and the other sources give. */
export function readWith(content: object, sources: Omit<Sources, 'path' | 'cwd'> = {}): ReadConfig {
  const cwd = directoryWith({ 'config.json': JSON.stringify(content) });
  return readConfig({ ...sources, path: 'config.json', cwd });
}

/** The problems that `action` ends with. */
export function problemsOf(action: () => unknown): readonly string[] {
  try {
    action();
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}
