/**
 * Glob patterns over whole names, as Centrifugo's `channels` call takes them:
 *
 *   *  **        any characters, none included       [abc]  [!abc]   one of these, none of these
 *   ?            one character                       [a-z]  [!a-z]   one in this range, none in it
 *   {ab,c*}      any of these patterns, nested too   \x              x itself
 *
 * Matching takes time proportional to pattern times name at worst: a pattern is no program, and channel names are many.
 */

/** Patterns that one with braces may stand for. */
const MAX_ALTERNATIVES = 256;

export class GlobError extends Error {
  override readonly name = 'GlobError';
}

export type Glob = (name: string) => boolean;

/** How many UTF-16 units of `name` at `at` it takes, -1 if it does not match; `null` stands for `*`. */
type Piece = ((name: string, at: number) => number) | null;

/** @throws GlobError if the pattern is malformed. */
export function compileGlob(pattern: string): Glob {
  const alternatives = new GlobParser(Array.from(pattern)).parse();
  return (name) => alternatives.some((pieces) => matches(pieces, name));
}

/** When a piece does not match, only the last `*` can help: an earlier one could take no more than that does. */
function matches(pieces: readonly Piece[], name: string): boolean {
  let piece = 0;
  let at = 0;
  let star = -1;
  let starEnd = 0;
  while (piece < pieces.length || at < name.length) {
    const current = pieces[piece];
    if (current === null) {
      star = piece++;
      starEnd = at;
      continue;
    }
    const width = current === undefined ? -1 : current(name, at);
    if (width >= 0) {
      piece++;
      at += width;
    } else {
      if (star < 0 || starEnd === name.length) return false;
      at = starEnd += widthAt(name, starEnd);
      piece = star + 1;
    }
  }
  return true;
}

const widthAt = (name: string, at: number): number => (name.codePointAt(at)! > 0xffff ? 2 : 1);

const literal =
  (text: string): Piece =>
  (name, at) =>
    name.startsWith(text, at) ? text.length : -1;

const oneCharacter =
  (accepts: (code: number) => boolean): Piece =>
  (name, at) =>
    at < name.length && accepts(name.codePointAt(at)!) ? widthAt(name, at) : -1;

const anyCharacter = oneCharacter(() => true);

class GlobParser {
  #pos = 0;
  #depth = 0;

  constructor(private readonly chars: readonly string[]) {}

  parse(): Piece[][] {
    const parsed = this.#sequence();
    if (this.#depth > 0) throw new GlobError('{ without }');
    return parsed;
  }

  /** Up to the end, or inside braces up to a comma or the closing brace, which stays. */
  #sequence(): Piece[][] {
    let found: Piece[][] = [[]];
    for (;;) {
      const char = this.chars[this.#pos];
      if (char === undefined || (this.#depth > 0 && (char === ',' || char === '}'))) return found;
      if (char === '{') found = combine(found, this.#braces());
      else found = combine(found, [[this.#piece(char)]]);
    }
  }

  #braces(): Piece[][] {
    this.#pos++;
    this.#depth++;
    const found = this.#sequence();
    while (this.chars[this.#pos] === ',') {
      this.#pos++;
      found.push(...this.#sequence());
      if (found.length > MAX_ALTERNATIVES) throw new GlobError('too many alternatives');
    }
    if (this.chars[this.#pos] !== '}') throw new GlobError('{ without }');
    this.#pos++;
    this.#depth--;
    return found;
  }

  #piece(char: string): Piece {
    if (char === '*') {
      while (this.chars[this.#pos] === '*') this.#pos++;
      return null;
    }
    if (char === '?') {
      this.#pos++;
      return anyCharacter;
    }
    if (char === '[') return this.#class();
    return literal(this.#text(this.#depth > 0 ? '?*[{},' : '?*[{'));
  }

  #class(): Piece {
    this.#pos++;
    const not = this.chars[this.#pos] === '!';
    if (not) this.#pos++;
    const accepts = this.chars[this.#pos + 1] === '-' ? this.#range() : this.#list();
    if (this.chars[this.#pos] !== ']') throw new GlobError('[ without ]');
    this.#pos++;
    return oneCharacter((code) => accepts(code) !== not);
  }

  #range(): (code: number) => boolean {
    const low = this.chars[this.#pos]!.codePointAt(0)!;
    const high = this.chars[this.#pos + 2]?.codePointAt(0) ?? -1;
    if (high < low) throw new GlobError('range from high to low');
    this.#pos += 3;
    return (code) => code >= low && code <= high;
  }

  #list(): (code: number) => boolean {
    const codes = new Set(Array.from(this.#text(']'), (char) => char.codePointAt(0)!));
    if (codes.size === 0) throw new GlobError('[] matches nothing');
    return (code) => codes.has(code);
  }

  #text(enders: string): string {
    let text = '';
    for (; this.#pos < this.chars.length; this.#pos++) {
      let char = this.chars[this.#pos]!;
      if (enders.includes(char)) break;
      if (char === '\\') char = this.chars[++this.#pos] ?? '';
      text += char;
    }
    return text;
  }
}

function combine(heads: readonly Piece[][], tails: readonly Piece[][]): Piece[][] {
  if (heads.length * tails.length > MAX_ALTERNATIVES) throw new GlobError('too many alternatives');
  return heads.flatMap((head) => tails.map((tail) => [...head, ...tail]));
}
