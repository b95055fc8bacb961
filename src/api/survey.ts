/** Questions of the server API that every worker answers for itself. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { type DistinctSample, DistinctSampler } from '../lib/distinct.js';
import type { Asks } from '../mesh/asks.js';
import { compileGlob } from './channel-pattern.js';

const NAMES_PER_SLICE = 2000;

/** What this worker has to tell. Iterables may be walked over several turns. */
export interface SurveySources {
  numClients(): number;
  /** Ids of connected users, each once, anonymous as ''. */
  users(): Iterable<string>;
  numSubscriptions(): number;
  /** Channels with subscribers here, and how many. */
  channels(): Iterable<readonly [name: string, members: number]>;
}

export interface ChannelsQuestion {
  /** A glob; '' for all. */
  pattern: string;
}

/** Pairs, because a channel may be called `__proto__`. */
export type ChannelsAnswer = readonly (readonly [name: string, members: number])[];

/** @returns each channel once, with all its members. */
export function mergeChannels(answers: readonly ChannelsAnswer[]): ChannelsAnswer {
  if (answers.length === 1) return answers[0]!;
  const merged = new Map<string, number>();
  for (const answer of answers)
    for (const [name, members] of answer) merged.set(name, (merged.get(name) ?? 0) + members);
  return [...merged];
}

/** Users and channels as samples: both are on several workers at once and count once. */
export interface InfoAnswer {
  numClients: number;
  numSubscriptions: number;
  users: DistinctSample;
  channels: DistinctSample;
}

export function answerSurveys(asks: Pick<Asks, 'answer'>, sources: SurveySources): void {
  asks.answer('channels', (body): ChannelsAnswer => {
    const { pattern } = body as ChannelsQuestion;
    const channels = Array.from(sources.channels());
    if (pattern === '') return channels;
    const matches = compileGlob(pattern);
    return channels.filter(([name]) => matches(name));
  });
  asks.answer(
    'info',
    async (): Promise<InfoAnswer> => ({
      numClients: sources.numClients(),
      numSubscriptions: sources.numSubscriptions(),
      users: await sample(sources.users()),
      channels: await sample(names(sources.channels())),
    }),
  );
}

/** In slices of some 100 µs: nodes of a cluster ask every three seconds, and messages must not wait for a million names. */
async function sample(texts: Iterable<string>): Promise<DistinctSample> {
  const sampler = new DistinctSampler();
  let count = 0;
  for (const text of texts) {
    sampler.add(text);
    if (++count % NAMES_PER_SLICE === 0) await nextTurn();
  }
  return sampler.sample();
}

function* names(channels: ReturnType<SurveySources['channels']>): Iterable<string> {
  for (const [name] of channels) yield name;
}
