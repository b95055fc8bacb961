/** Whom a token must come from and be meant for: `issuer`, `audience` and their regex forms. */
import { RE2JS } from 're2js';
import type { RegisteredClaims } from './claims.js';
import { TokenError } from './jwt.js';

export interface ClaimRuleOptions {
  readonly audience: string;
  readonly audience_regex: string;
  readonly issuer: string;
  readonly issuer_regex: string;
}

/** What the named groups of the two regexes matched. */
export type RegexGroups = Readonly<Record<string, string>>;

const NO_GROUPS: RegexGroups = Object.freeze({});

export class ClaimRules {
  readonly #audience: string;
  readonly #issuer: string;
  readonly #audienceRegex: RE2JS | undefined;
  readonly #issuerRegex: RE2JS | undefined;

  /** @throws Error naming the option. */
  constructor(options: ClaimRuleOptions) {
    if (options.audience !== '' && options.audience_regex !== '') throw exclusive('audience');
    if (options.issuer !== '' && options.issuer_regex !== '') throw exclusive('issuer');
    this.#audience = options.audience;
    this.#issuer = options.issuer;
    this.#audienceRegex = compile('audience_regex', options.audience_regex);
    this.#issuerRegex = compile('issuer_regex', options.issuer_regex);
  }

  /** The regexes. Audience groups win over issuer groups of the same name. @throws TokenError */
  match(claims: RegisteredClaims): RegexGroups {
    if (this.#issuerRegex === undefined && this.#audienceRegex === undefined) return NO_GROUPS;
    const groups: Record<string, string> = {};
    if (this.#issuerRegex && !matchInto(groups, this.#issuerRegex, [claims.iss])) throw refused('issuer');
    if (this.#audienceRegex && !matchInto(groups, this.#audienceRegex, claims.aud)) throw refused('audience');
    return groups;
  }

  /** The exact forms. @throws TokenError */
  check(claims: RegisteredClaims): void {
    if (this.#audience !== '' && !claims.aud.includes(this.#audience)) throw refused('audience');
    if (this.#issuer !== '' && claims.iss !== this.#issuer) throw refused('issuer');
  }
}

/** Groups of the first value that matches; unanchored, as in Go. */
function matchInto(groups: Record<string, string>, regex: RE2JS, values: readonly string[]): boolean {
  for (const value of values) {
    const matcher = regex.matcher(value);
    if (!matcher.find()) continue;
    for (const name of Object.keys(regex.namedGroups())) groups[name] = matcher.group(name) ?? '';
    return true;
  }
  return false;
}

function compile(option: string, pattern: string): RE2JS | undefined {
  if (pattern === '') return undefined;
  try {
    return RE2JS.compile(pattern);
  } catch (error) {
    throw new Error(`${option} is not a valid regular expression: ${(error as Error).message}`);
  }
}

const exclusive = (name: string): Error => new Error(`${name} and ${name}_regex exclude each other, set only one`);
const refused = (name: string): TokenError => new TokenError('invalid', `${name} is not accepted`);
