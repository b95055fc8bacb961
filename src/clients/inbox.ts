/**
 * The way in of one connection: commands are started in the order in which they came, `client.concurrency` at a time
 * (one, unless configured). What arrives while these are at work waits in a {@link Backlog}.
 */
import { MalformedFrame } from '../protocol/codec.js';
import { disconnects } from '../protocol/codes.js';
import type { Bytes, Command } from '../protocol/messages.js';
import { Backlog } from './backlog.js';
import type { Client } from './client.js';

export class Inbox {
  private backlog: Backlog | null = null;
  /** Commands at work. */
  private running = 0;
  /** A command at work must be over before the next one starts, whatever `client.concurrency` allows. */
  private suspended = false;
  /** Commands are being started further up the stack. */
  private starting = false;

  constructor(private readonly client: Client) {}

  receive(frame: Bytes): void {
    if (this.backlog !== null || this.busy()) this.postpone(frame, 0);
    else this.start(frame);
  }

  /** Start a command that did not come in a frame. */
  execute(command: Command): void {
    this.running++;
    try {
      this.client.deps.dispatch(this.client, command)?.catch((error: unknown) => this.crashed(error));
    } catch (error) {
      this.crashed(error);
    }
  }

  /** Start nothing before the command at work is over. */
  suspend(): void {
    this.suspended = true;
  }

  /** A command has been answered: there may be room for the next. */
  done(): void {
    this.running--;
    if (this.running === 0) this.suspended = false;
    if (this.backlog !== null && !this.starting) this.resume();
  }

  clear(): void {
    this.backlog = null;
  }

  private busy(): boolean {
    const { state, deps } = this.client;
    return state === 'connecting' || this.suspended || this.running >= Math.max(1, deps.config.client.concurrency);
  }

  private start(frame: Bytes): void {
    const commands = this.decode(() => this.client.codec.decode(frame)) ?? [];
    this.starting = true;
    for (let i = 0; i < commands.length && !this.client.ending; i++) {
      if (this.busy()) {
        this.postpone(frame, i);
        break;
      }
      this.execute(commands[i]!);
    }
    this.starting = false;
  }

  private resume(): void {
    this.starting = true;
    while (this.backlog !== null && !this.client.ending && !this.busy()) {
      const command = this.decode(() => this.backlog?.shift(this.client.codec));
      if (command === undefined) this.backlog = null;
      else this.execute(command);
    }
    this.starting = false;
  }

  private postpone(frame: Bytes, skip: number): void {
    this.backlog ??= new Backlog();
    if (!this.backlog.push(frame, this.client.codec, skip)) this.client.disconnect(disconnects.tooManyRequests);
  }

  /** A bug in a command costs this connection, nobody else. */
  private crashed(error: unknown): void {
    const { deps, id, user } = this.client;
    deps.log.error({ err: error, client: id, user }, 'a command failed unexpectedly');
    this.client.disconnect(disconnects.serverError);
  }

  private decode<T>(decode: () => T): T | undefined {
    try {
      return decode();
    } catch (error) {
      if (!(error instanceof MalformedFrame)) this.crashed(error);
      else {
        // Those ahead of the fault still count. One that has to wait for another is not waited for.
        for (const command of error.before) if (!this.client.ending && !this.busy()) this.execute(command);
        this.client.disconnect(disconnects.badRequest);
      }
      return undefined;
    }
  }
}
