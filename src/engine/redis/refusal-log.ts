/** Errors that servers answer with, once in a while however many there are. */
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
  ) {}

  refused(text: string): void {
    const now = this.clock.now();
    if (now - this.#loggedAt < LOGGED_EVERY_MS) {
      this.#notLogged++;
      return;
    }
    const fields = { error: withoutArguments(text), alsoRefused: this.#notLogged };
    this.log.error(fields, 'Redis refused a command');
    this.#loggedAt = now;
    this.#notLogged = 0;
  }
}
