import { JsonFields } from '../protocol/json-reader.js';
import { compileGlob, GlobError } from './channel-pattern.js';
import { apiErrors } from './errors.js';
import { type Method, readRequest, settle } from './method.js';
import type { ChannelsAnswer, ChannelsQuestion } from './survey.js';

export interface ChannelsResult {
  /** Channels with subscribers, and how many. */
  channels: ReadonlyMap<string, number>;
}

const fields = new JsonFields<ChannelsQuestion>({ pattern: (r) => r.string() });

export const channels: Method<ChannelsQuestion, ChannelsResult> = {
  name: 'channels',
  read: (reader) => readRequest(reader, { pattern: '' }, fields),

  run({ pattern }, deps, done) {
    if (!isGlob(pattern)) return done(apiErrors.badRequest, undefined);
    const asked = deps.asks.askWorkers('channels', { pattern }) as Promise<ChannelsAnswer[]>;
    settle(
      asked.then((answers) => ({ channels: merge(answers) })),
      done,
    );
  },

  write(w, result) {
    w.key('channels');
    w.open();
    for (const name of [...result.channels.keys()].sort()) {
      w.textKey(name);
      w.open();
      w.numberField('num_clients', result.channels.get(name));
      w.close();
    }
    w.close();
  },
};

function isGlob(pattern: string): boolean {
  try {
    compileGlob(pattern);
    return true;
  } catch (error) {
    if (error instanceof GlobError) return false;
    throw error;
  }
}

function merge(answers: readonly ChannelsAnswer[]): Map<string, number> {
  const merged = new Map<string, number>();
  for (const [name, members] of answers.flat()) merged.set(name, (merged.get(name) ?? 0) + members);
  return merged;
}
