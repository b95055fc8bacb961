/** A shard for each kind of deployment. */
import { ClusterShard } from './cluster-shard.js';
import type { ShardOptions } from './options.js';
import { type LinkDeps, ServerLink } from './server-link.js';
import type { ShardEvents } from './shard.js';
import { SingleShard } from './single-shard.js';

/** Connecting starts at once; until then, and whenever the servers are away, what is asked of the shard fails with 100. */
export function openShard(options: ShardOptions, events: ShardEvents, deps: LinkDeps): SingleShard | ClusterShard {
  const linkDeps = { ...deps, log: deps.log.child({ shard: options.name }) };
  if (options.kind !== 'cluster') return new SingleShard(options, events, linkDeps);
  return new ClusterShard(
    options,
    events,
    (endpoint, linkEvents) =>
      new ServerLink({ locate: () => endpoint, masterOnly: false }, options.server, linkEvents, linkDeps),
    linkDeps.log,
  );
}
