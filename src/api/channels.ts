import { JsonFields } from '../protocol/json-reader.js';
import { compileGlob, GlobError } from './channel-pattern.js';
import { apiErrors } from './errors.js';
import { type Method, readRequest, settle } from './method.js';
import type { ChannelsAnswer, ChannelsQuestion } from './survey.js';

export interface ChannelsResult {
  channels: ChannelsAnswer;
}

const fields = new JsonFields<ChannelsQuestion>({ pattern: (r) => r.string() });

export const channels: Method<ChannelsQuestion, ChannelsResult> = {
  name: 'channels',
  read: (reader) => readRequest(reader, { pattern: '' }, fields),

  run({ pattern }, deps, done) {
    if (!isGlob(pattern)) return done(apiErrors.badRequest, undefined);
    settle(
      deps.cluster.channels(pattern).then((channels) => ({ channels })),
      done,
    );
  },

  write(w, result) {
    w.key('channels');
    w.open();
    for (const [name, members] of [...result.channels].sort(byName)) {
      w.textKey(name);
      w.open();
      w.numberField('num_clients', members);
      w.close();
    }
    w.close();
  },
};

export function isGlob(pattern: string): boolean {
  try {
    compileGlob(pattern);
    return true;
  } catch (error) {
    if (error instanceof GlobError) return false;
    throw error;
  }
}

const byName = ([a]: readonly [string, number], [b]: readonly [string, number]): number => (a < b ? -1 : 1);
