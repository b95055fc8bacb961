/** Edits (insert, delete, replace one character) from one word to another. */
export function editDistance(from: string, to: string): number {
  let previous = Array.from({ length: to.length + 1 }, (_, i) => i);
  for (let i = 1; i <= from.length; i++) {
    const row = [i];
    for (let j = 1; j <= to.length; j++) {
      const replaced = previous[j - 1]! + (from[i - 1] === to[j - 1] ? 0 : 1);
      row.push(Math.min(replaced, previous[j]! + 1, row[j - 1]! + 1));
    }
    previous = row;
  }
  return previous[to.length]!;
}

/** The candidate nearest to `word`, or undefined when none is near enough to be a misspelling. */
export function nearest(word: string, candidates: Iterable<string>): string | undefined {
  let best: string | undefined;
  let fewest = Math.max(2, Math.floor(word.length / 4)) + 1;
  for (const candidate of candidates) {
    if (Math.abs(candidate.length - word.length) >= fewest) continue;
    const edits = editDistance(word, candidate);
    if (edits < fewest) {
      fewest = edits;
      best = candidate;
    }
  }
  return best;
}

/**
 * What an unknown key was probably meant to be: a sibling with a similar name, the same name at another place
 * (`token_hmac_secret_key` is found in `client.token.hmac_secret_key`), or a similar path.
 */
export function suggestPath(parent: string, key: string, siblings: Iterable<string>, paths: readonly string[]) {
  const sibling = nearest(key, siblings);
  if (sibling !== undefined) return parent + sibling;
  const elsewhere = paths.filter((path) => `_${path.replaceAll('.', '_')}`.endsWith(`_${key}`));
  return elsewhere.sort((a, b) => a.length - b.length)[0] ?? nearest(parent + key, paths);
}
