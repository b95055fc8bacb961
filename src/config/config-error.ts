/** The configuration cannot be used. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';

  /**
   * @param problems one line each: where, what is wrong and what is wanted.
   * @param warnings noticed on the way; they often explain a problem, as a misspelled name does.
   */
  constructor(
    readonly problems: readonly string[],
    readonly warnings: readonly string[] = [],
  ) {
    super(problems.join('\n'));
  }
}

/** What was noticed while reading: problems end the start, warnings are logged. */
export class Findings {
  readonly problems: string[] = [];
  readonly warnings: string[] = [];
  /** Paths of options in the file that do not exist; each has a warning too. */
  readonly unknown: string[] = [];

  throwProblems(): void {
    if (this.problems.length > 0) throw new ConfigError(this.problems, this.warnings);
  }
}
