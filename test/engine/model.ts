import type { HistoryFilter } from '../../src/engine/engine.js';

interface Kept {
  offset: number;
  text: string;
}

/** What a stream is, in the plainest words: a list with a top. */
export class StreamModel {
  top = 0;
  kept: Kept[] = [];
  version = 0;
  versionEpoch = '';
  readonly results = new Map<string, number>();

  publish(text: string, size: number, key: string, version: number, versionEpoch: string): number {
    const known = key === '' ? undefined : this.results.get(key);
    if (known !== undefined) return known;
    if (version > 0) {
      if ((versionEpoch === '' || versionEpoch === this.versionEpoch) && version <= this.version) return this.top;
      this.version = version;
      this.versionEpoch = versionEpoch;
    }
    this.top++;
    this.kept.push({ offset: this.top, text });
    this.kept = this.kept.slice(-size);
    if (key !== '') this.results.set(key, this.top);
    return this.top;
  }

  history(filter: HistoryFilter): Kept[] {
    let found = [...this.kept];
    if (filter.since !== undefined) {
      const since = filter.since.offset;
      if (!filter.reverse) found = found.filter((kept) => kept.offset > since);
      else if (found.some((kept) => kept.offset === since - 1)) found = found.filter((kept) => kept.offset < since);
      else found = [];
    }
    if (filter.reverse) found.reverse();
    return filter.limit < 0 ? found : found.slice(0, filter.limit);
  }
}
