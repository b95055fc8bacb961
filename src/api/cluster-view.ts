/** All nodes as a worker sees them: the main thread knows. */
import type { Asks } from '../mesh/asks.js';
import type { NodeInfo } from './info.js';
import type { ChannelsAnswer } from './survey.js';

/** Longer than a survey of the nodes may take (cluster/surveys.ts). */
const CHANNELS_DEADLINE_MS = 12_000;

/** Both reject with a ClientError. */
export interface ClusterView {
  /** All nodes that are known, this one first. */
  info(): Promise<NodeInfo[]>;
  /**
   * Channels with subscribers on any node, in no order.
   * @param pattern  a glob; '' for all.
   */
  channels(pattern: string): Promise<ChannelsAnswer>;
}

export function clusterView(asks: Pick<Asks, 'ask' | 'workers'>): ClusterView {
  return {
    info: () => asks.ask(asks.workers, 'cluster.info', null) as Promise<NodeInfo[]>,
    channels: (pattern) =>
      asks.ask(asks.workers, 'cluster.channels', pattern, CHANNELS_DEADLINE_MS) as Promise<ChannelsAnswer>,
  };
}

/** On the main thread. */
export function answerClusterView(asks: Pick<Asks, 'answer'>, view: ClusterView): void {
  asks.answer('cluster.info', () => view.info());
  asks.answer('cluster.channels', (pattern) => view.channels(pattern as string));
}
