import { compileGlob, GlobError } from './channel-pattern.js';
import { apiErrors } from './errors.js';
import { record, shape, string, uint32 } from './fields.js';
import { type Method, settle } from './method.js';
import type { ChannelsAnswer, ChannelsQuestion } from './survey.js';

export interface ChannelsResult {
  channels: ChannelsAnswer;
}

const request = shape({
  pattern: string('Glob with `*`, `?`, `[a-z]`, `{a,b}` that names must match; empty for all.'),
});

const channel = shape({ numClients: uint32('Connections that are subscribed.') });

export const channels: Method<ChannelsQuestion, ChannelsResult> = {
  name: 'channels',
  about: {
    tag: 'Channels',
    summary: 'Channels with subscribers',
    description: 'Asks all nodes, which takes time and memory where there are many channels.',
    example: { pattern: 'chat:*' },
  },
  request,
  result: shape({ channels: record(channel, 'By name.') }),

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
