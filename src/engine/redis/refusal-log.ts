/** What servers refuse, or have in them that cannot be read: logged once in a while, however much there is. */
import type { Clock } from '../../lib/clock.js';
import type { Log } from '../../observe/log.js';
import { withoutArguments } from './dial.js';

const LOGGED_EVERY_MS = 5000;

export class RefusalLog {
  #loggedAt = Number.NEGATIVE_INFINITY;
  #notLogged = 0;

  constructor(
    private readonly log: Pick<Log, 'error'>,
    /** Monotonic. */
    private readonly clock: Clock,
    private readonly message = 'Redis refused a command',
  ) {}

  refused(text: string): void {
    const now = this.clock.now();
    if (now - this.#loggedAt < LOGGED_EVERY_MS) {
      this.#notLogged++;
      return;
    }
    const fields = { error: withoutArguments(text), alsoRefused: this.#notLogged };
    this.log.error(fields, this.message);
    this.#loggedAt = now;
    this.#notLogged = 0;
  }
}

export const unreadableLog = (log: Pick<Log, 'error'>, clock: Clock): RefusalLog =>
  new RefusalLog(log, clock, 'something in Redis cannot be read');
