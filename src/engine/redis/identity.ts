/**
 * Whether a server is the process that it was. After a failover or a restart it is another one, which may have lost what the
 * former had acknowledged last; the feed then settles for a while before anything is published, see engine.ts' FeedState.
 */
import type { Log } from '../../observe/log.js';
import type { LinkHandler } from './link.js';
import type { Pipeline } from './pipeline.js';
import type { Reply } from './shard.js';

const RUN_ID = /^run_id:(\S+)/m;

export class Identity {
  #runId: string | undefined;
  #isKnown = false;
  #everKnown = false;
  #settling: NodeJS.Timeout | undefined;
  /** Of the question asked last: an answer over an earlier connection does not count. */
  #asked = 0;

  /** @param known  called when it is known which process it is. */
  constructor(
    private readonly settleMs: number,
    private readonly log: Pick<Log, 'warn'>,
    private readonly known: () => void,
  ) {}

  get isSettled(): boolean {
    return this.#isKnown && this.#settling === undefined;
  }

  /** The connection for commands came or went. */
  ask(pipeline: Pick<Pipeline, 'command' | 'connection'>): void {
    this.#isKnown = false;
    const asked = ++this.#asked;
    if (!pipeline.connection.isUp) return;
    const handler: LinkHandler = {
      reply: (reply) => {
        if (asked === this.#asked) this.#learn(runIdOf(reply));
      },
      // The connection is gone, or the account may not ask: then every connection counts as one to another process.
      fail: () => {
        if (asked === this.#asked && pipeline.connection.isUp) this.#learn(undefined);
      },
    };
    pipeline.command(['INFO', 'server'], handler);
  }

  close(): void {
    clearTimeout(this.#settling);
  }

  #learn(runId: string | undefined): void {
    const isAnother = this.#everKnown && (runId === undefined || runId !== this.#runId);
    this.#runId = runId;
    this.#isKnown = this.#everKnown = true;
    this.known();
    if (!isAnother) return;
    this.log.warn('Redis is another process than before: publishing waits until nodes have compared what they know');
    clearTimeout(this.#settling);
    this.#settling = setTimeout(() => {
      this.#settling = undefined;
    }, this.settleMs).unref();
  }
}

function runIdOf(reply: Reply): string | undefined {
  return RUN_ID.exec(String(reply))?.[1];
}
