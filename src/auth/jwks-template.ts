/**
 * `jwks_public_endpoint` as a template: `{{name}}` stands for what the named group matched in `issuer_regex` or
 * `audience_regex`.
 *
 * The value comes from a token nobody has verified yet, so it must not be able to point at another server or path:
 * such a group may only list its values, `(?P<tenant>acme|globex)`. The check reads the pattern's text, not a parsed
 * form, and refuses whatever it does not know.
 */
import type { ClaimRuleOptions, RegexGroups } from './claim-rules.js';

export interface TemplateOptions extends Omit<ClaimRuleOptions, 'audience' | 'issuer'> {
  readonly jwks_public_endpoint: string;
  readonly insecure_skip_jwks_endpoint_safety_check: boolean;
}

const PLACEHOLDER = /\{\{(.*?)\}\}/g;
const NAMED_GROUP = /\(\?P?<(\w+)>/g;
/** Characters, escaped punctuation, alternatives and groups around them; nothing that repeats, ranges or anchors. */
const LITERALS_ONLY = /^(?:[^\\.*+?()[\]{}^$]|\\[^a-zA-Z0-9]|\((?:\?:|\?P?<\w+>)?|\))*$/;

export class JwksTemplate {
  readonly #endpoint: string;

  /** @throws Error naming the option. */
  constructor(options: TemplateOptions) {
    const endpoint = options.jwks_public_endpoint;
    if (!/^https?:\/\/[^/]/.test(endpoint)) throw new Error('jwks_public_endpoint must be an http:// or https:// URL');
    this.#endpoint = endpoint;
    const names = new Set([...endpoint.matchAll(PLACEHOLDER)].map((match) => match[1]!));
    const patterns = { issuer_regex: options.issuer_regex, audience_regex: options.audience_regex };
    checkDefined(names, Object.values(patterns));
    if (names.size === 0 || options.insecure_skip_jwks_endpoint_safety_check) return;
    for (const [option, pattern] of Object.entries(patterns)) checkSafe(option, pattern, names);
  }

  /** @returns undefined if the URL is not one, or its path would leave the directory the template names. */
  resolve(groups: RegexGroups): string | undefined {
    const url = this.#endpoint.replace(PLACEHOLDER, (_, name: string) => groups[name] ?? '');
    return URL.canParse(url) && !traverses(url) ? url : undefined;
  }
}

function checkDefined(names: ReadonlySet<string>, patterns: readonly string[]): void {
  const defined = new Set(patterns.flatMap((pattern) => [...pattern.matchAll(NAMED_GROUP)].map((match) => match[1])));
  for (const name of names) {
    if (defined.has(name)) continue;
    throw new Error(
      `jwks_public_endpoint uses {{${name}}}, but issuer_regex and audience_regex have no such named group`,
    );
  }
}

function checkSafe(option: string, pattern: string, names: ReadonlySet<string>): void {
  if (/\[|\\[dDwWsSpP]/.test(pattern.replace(/\\\\/g, '').replace(/\\\[/g, ''))) {
    throw new Error(`${option} may not use character classes when jwks_public_endpoint is a template: list the values`);
  }
  for (const { 0: opening, 1: name, index } of pattern.matchAll(NAMED_GROUP)) {
    if (!names.has(name!)) continue;
    if (LITERALS_ONLY.test(groupBody(pattern, index + opening.length))) continue;
    throw new Error(`${option}: group "${name}" selects the JWKS URL, so it may only list values: (?P<${name}>a|b|c)`);
  }
}

/** From `start` to the parenthesis that closes the group. */
function groupBody(pattern: string, start: number): string {
  let depth = 1;
  let end = start;
  for (; end < pattern.length; end++) {
    if (pattern[end] === '\\') end++;
    else if (pattern[end] === '(') depth++;
    else if (pattern[end] === ')' && --depth === 0) break;
  }
  return pattern.slice(start, end);
}

/** Looks at the text, since URL objects have resolved dots already. */
function traverses(url: string): boolean {
  const path = /^https?:\/\/[^/?#]*([^?#]*)/.exec(url)?.[1] ?? '';
  let decoded: string;
  try {
    decoded = decodeURIComponent(path);
  } catch {
    return true;
  }
  const segments = decoded.split(/[/\\]/);
  return segments.some(
    (segment, i) => segment === '..' || segment === '.' || (segment === '' && i > 0 && i < segments.length - 1),
  );
}
