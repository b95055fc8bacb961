import { checkConfig } from './check/check.js';
import { ConfigError } from './config-error.js';
import { type ReadConfig, readConfig, type Sources } from './read.js';
import { checkSupport } from './support.js';

export interface LoadedConfig extends ReadConfig {
  /**
   * Reads the same sources again. What is running stays as it is; the caller takes over what may change.
   *
   * @throws ConfigError, after which the former configuration goes on being used.
   */
  reload(): LoadedConfig;
}

/**
 * Reads a configuration and makes sure that a server can run with it: names, types, options that must go together,
 * and options that are not supported.
 *
 * @throws ConfigError with every problem found.
 */
export function loadConfig(sources: Sources): LoadedConfig {
  const read = readConfig(sources);
  const support = checkSupport(read.config);
  const problems = [...checkConfig(read.config), ...support.problems];
  const warnings = [...read.warnings, ...support.warnings];
  if (problems.length > 0) throw new ConfigError(problems, warnings);
  return { ...read, warnings, reload: () => loadConfig(sources) };
}
