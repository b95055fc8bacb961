import { RE2JS } from 're2js';

/** Takes one problem: where it is and what is wrong. */
export type Report = (at: string, problem: string) => void;

/** Namespaces and proxies. */
export const NAME = /^[-a-zA-Z0-9_.]{2,}$/;
const ASCII = /^\p{ASCII}*$/u;
/** The reason in a WebSocket close frame is at most this long. */
const LONGEST_REASON_BYTES = 123;

export function checkRegex(pattern: string, at: string, report: Report): void {
  if (pattern === '') return;
  try {
    RE2JS.compile(pattern);
  } catch (error) {
    report(at, `${JSON.stringify(pattern)} is not a regular expression (RE2): ${(error as Error).message}`);
  }
}

export function checkNames(items: readonly { name: string }[], at: string, pattern: RegExp, report: Report): void {
  const seen = new Set<string>();
  items.forEach(({ name }, i) => {
    if (!pattern.test(name)) report(`${at}[${i}].name`, `${JSON.stringify(name)} must match ${pattern.source}`);
    else if (seen.has(name)) report(at, `the name "${name}" is used twice; names must be unique`);
    seen.add(name);
  });
}

export function checkReason(text: string, at: string, report: Report): void {
  if (!ASCII.test(text)) report(at, 'must be ASCII');
  if (text.length > LONGEST_REASON_BYTES) report(at, `must be at most ${LONGEST_REASON_BYTES} characters long`);
}
