/** What a command may touch besides files; a test gives its own. */
export interface Io {
  /** Prints a line to standard output: what was asked for. */
  out(line: string): void;
  /** Prints a line to standard error: everything else. */
  err(line: string): void;
  env: Readonly<Record<string, string | undefined>>;
  cwd: string;
}

export const processIo: Io = {
  out: (line) => process.stdout.write(`${line}\n`),
  err: (line) => process.stderr.write(`${line}\n`),
  env: process.env,
  cwd: process.cwd(),
};

/** The command cannot do what it was asked to; the message says what to do instead. */
export class CommandError extends Error {
  override readonly name = 'CommandError';

  constructor(
    message: string,
    readonly exitCode = 1,
  ) {
    super(message);
  }
}
