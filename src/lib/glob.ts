/**
 * A glob over whole strings: `*` any run of characters (`/` and `.` included), `?` one, `[a-z]`, `[!a-z]` one of a set,
 * `{a,b}` alternatives, `\` takes the next character as it is.
 *
 * @throws {Error} on an unclosed `[` or `{`
 */
export function globToRegExp(glob: string): RegExp {
  let source = '';
  let depth = 0;
  for (let i = 0; i < glob.length; i++) {
    const char = glob[i]!;
    if (char === '*') {
      if (!source.endsWith('.*')) source += '.*';
    } else if (char === '?') source += '.';
    else if (char === '[') {
      const end = glob.indexOf(']', i + 2);
      if (end < 0) throw new Error(`unclosed [ in pattern "${glob}"`);
      source += characterSet(glob.slice(i + 1, end));
      i = end;
    } else if (char === '{') {
      depth++;
      source += '(?:';
    } else if (char === '}' && depth > 0) {
      depth--;
      source += ')';
    } else if (char === ',' && depth > 0) source += '|';
    else source += literal(char === '\\' && i + 1 < glob.length ? glob[++i]! : char);
  }
  if (depth > 0) throw new Error(`unclosed { in pattern "${glob}"`);
  return new RegExp(`^${source}$`, 's');
}

function characterSet(body: string): string {
  const negated = body.startsWith('!');
  const members = (negated ? body.slice(1) : body).replace(/[\\\]^[]/g, '\\$&');
  return `[${negated ? '^' : ''}${members}]`;
}

function literal(char: string): string {
  return char.replace(/[\\^$.*+?()[\]{}|/]/, '\\$&');
}
