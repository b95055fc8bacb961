/**
 * The commands of one server. What is queued in a turn of the event loop leaves in one write; replies come in the same
 * order, so a queue of who waits is all the bookkeeping.
 *
 * Order. Commands are carried out, and answered, in the order in which they were queued, with one exception. A script is
 * loaded in front of its first use on a connection; when the server forgets it after that (SCRIPT FLUSH), whatever it answers
 * with NOSCRIPT is repeated, in order, before anything that is not sent yet. Commands already under way that need no script
 * overtake it then.
 *
 * Loss. A command without a reply fails with 100 when the connection is lost, or when it is the oldest and its deadline has
 * passed; the connection is then given up, because a server that hangs and a half-open connection look the same. It may
 * have been carried out. Nothing is ever sent on another connection, and nothing is queued while there is none.
 */
import { ByteWriter } from '../../lib/bytes.js';
import type { Clock } from '../../lib/clock.js';
import { Fifo } from '../../lib/fifo.js';
import { RespError, RespReader, type RespValue } from '../../lib/resp.js';
import { writeArgument, writeCommand, writeCount } from '../../lib/resp-command.js';
import type { Flushable, Turn } from '../../lib/turn.js';
import { type ClientError, errors } from '../../protocol/codes.js';
import {
  Connection,
  type ConnectionDeps,
  type ConnectionOwner,
  type ConnectionUser,
  type Target,
} from './connection.js';
import type { LinkHandler } from './link.js';
import type { ServerOptions } from './options.js';
import type { EncodedCommand, Script } from './shard.js';

export interface PipelineDeps extends ConnectionDeps {
  readonly turn: Pick<Turn, 'touch'>;
  /** Monotonic. */
  readonly clock: Clock;
  /** Queued or without a reply. */
  readonly pendingMaxCommands: number;
  /** As encoded. The last one may exceed it. */
  readonly pendingMaxBytes: number;
}

/** What left in one write. Kept as long as a script in it might have to be sent again, or something is not written yet. */
interface Batch {
  readonly out: ByteWriter;
  readonly sentAt: number;
  /** Pending without all replies, or to be sent again. When there are none its memory serves another batch. */
  open: number;
}

/** Batches' memory that waits to be used again. */
const SPARE_MAX_WRITERS = 4;

/** A command, or several without scripts that follow one another and have one handler. */
class Pending {
  batch: Batch | undefined;
  /** Commands without a reply. */
  open = 1;

  constructor(
    readonly handler: LinkHandler,
    /** Where it is in the batch. */
    readonly start: number,
    public end: number,
    /** To be loaded, and the command repeated, when the server does not know it. */
    readonly script: Script | undefined,
  ) {}
}

/** Deadlines are looked at this many times within one. */
const SWEEPS_PER_TIMEOUT = 8;

/** For who loads a script: when that fails, running it fails. */
const NOBODY: LinkHandler = { reply() {}, fail() {} };

export class Pipeline implements ConnectionUser, Flushable {
  readonly connection: Connection;
  #out = new ByteWriter();
  readonly #spare: ByteWriter[] = [];
  #queued: Pending[] = [];
  readonly #sent = new Fifo<Pending>();
  #sentBytes = 0;
  /** Queued, or without a reply. */
  #commands = 0;
  /** Answered with NOSCRIPT. While there are any, nothing is sent until {@link #sent} is empty. */
  #unknown: Pending[] = [];
  /** SHA-1 of what was loaded on this connection. */
  readonly #loaded = new Set<string>();
  /** Ahead of what is sent next, so that it never gets between two commands that belong together. */
  readonly #toLoad = new Set<Script>();
  #touched = false;
  readonly #sweep: NodeJS.Timeout;

  constructor(
    target: Target,
    private readonly server: ServerOptions,
    private readonly owner: ConnectionOwner,
    private readonly deps: PipelineDeps,
  ) {
    this.connection = new Connection('commands', target, server, this, deps);
    // After the poll phase: what arrived while this thread was busy is not late.
    const sweep = () => setImmediate(() => this.#dropIfOverdue());
    this.#sweep = setInterval(sweep, server.ioTimeoutMs / SWEEPS_PER_TIMEOUT).unref();
  }

  /** May call `handler.fail` before it returns. Arguments are copied. */
  command(args: readonly (string | Uint8Array)[], handler: LinkHandler): void {
    if (this.#refuses(handler)) return;
    const start = this.#out.length;
    writeCommand(this.#out, args);
    this.#queue(new Pending(handler, start, this.#out.length, undefined));
  }

  /** EVALSHA. May call `handler.fail` before it returns. Arguments are copied. */
  script(script: Script, keys: readonly string[], args: readonly (string | Uint8Array)[], handler: LinkHandler): void {
    if (this.#refuses(handler)) return;
    if (!this.#loaded.has(script.sha)) this.#loadFirst(script);
    const out = this.#out;
    const start = out.length;
    writeCount(out, 3 + keys.length + args.length);
    writeArgument(out, 'EVALSHA');
    writeArgument(out, script.sha);
    writeArgument(out, String(keys.length));
    for (let i = 0; i < keys.length; i++) writeArgument(out, keys[i]!);
    for (let i = 0; i < args.length; i++) writeArgument(out, args[i]!);
    this.#queue(new Pending(handler, start, out.length, script));
  }

  /** @returns why it is not taken. The handler is not told then; otherwise it is called once for each of its commands. */
  encoded(command: EncodedCommand, handler: LinkHandler): ClientError | undefined {
    const refused = this.#refusal();
    if (refused !== undefined) return refused;
    const { script } = command;
    if (script !== undefined && !this.#loaded.has(script.sha)) this.#loadFirst(script);
    const start = this.#out.length;
    command.writeTo(this.#out);
    const last = this.#queued[this.#queued.length - 1];
    if (last?.handler === handler && last.script === undefined && script === undefined) {
      last.end = this.#out.length;
      last.open++;
      this.#commands++;
    } else {
      this.#queue(new Pending(handler, start, this.#out.length, script));
    }
    return undefined;
  }

  close(): void {
    clearInterval(this.#sweep);
    this.connection.close();
    this.#failAll();
  }

  /** The end of the turn. */
  flush(): void {
    this.#touched = false;
    if (!this.connection.isUp) return;
    if (this.#unknown.length > 0 && this.#sent.length > 0) return;
    if (this.#toLoad.size > 0) this.#loadAndRepeat();
    if (this.#queued.length === 0) return;
    this.#send(this.#out, this.#queued);
    this.#queued = [];
    this.#out = this.#spare.pop() ?? new ByteWriter();
  }

  createReader(): RespReader {
    return new RespReader(this);
  }

  up(): void {
    this.#loaded.clear();
    this.#toLoad.clear();
    this.owner.connectedChanged();
  }

  down(): void {
    this.#failAll();
    this.owner.connectedChanged();
  }

  failed(error: Error): void {
    this.owner.failed(error);
  }

  reply(reply: RespValue | RespError): void {
    const pending = this.#sent.peek();
    if (pending === undefined) {
      this.connection.drop('a reply that nobody asked for');
      return;
    }
    if (--pending.open === 0) {
      this.#sent.shift();
      this.#sentBytes -= pending.end - pending.start;
    }
    if (reply instanceof RespError) this.#refused(pending, reply.text);
    else this.#answered(pending).reply(reply);
    if (this.#unknown.length > 0 && this.#sent.length === 0) this.#touch();
  }

  #refusal(): ClientError | undefined {
    if (!this.connection.isUp) return errors.internal;
    const full = this.#commands >= this.deps.pendingMaxCommands;
    if (full || this.#out.length + this.#sentBytes >= this.deps.pendingMaxBytes) return errors.tooManyRequests;
    return undefined;
  }

  /** Tells the handler. */
  #refuses(handler: LinkHandler): boolean {
    const refused = this.#refusal();
    if (refused !== undefined) handler.fail(refused);
    return refused !== undefined;
  }

  #loadFirst(script: Script): void {
    this.#loaded.add(script.sha);
    this.#toLoad.add(script);
  }

  #queue(pending: Pending): void {
    this.#queued.push(pending);
    this.#commands++;
    this.#touch();
  }

  #touch(): void {
    if (this.#touched) return;
    this.#touched = true;
    this.deps.turn.touch(this);
  }

  /** Everything in `out`, which is `pending` one after the other. */
  #send(out: ByteWriter, pending: readonly Pending[]): void {
    const batch = { out, sentAt: this.deps.clock.now(), open: pending.length };
    this.#sentBytes += out.length;
    for (const item of pending) {
      item.batch = batch;
      this.#sent.push(item);
    }
    this.connection.write(out.view());
  }

  /** The server has all of it. */
  #reuse({ out }: Batch): void {
    if (this.#spare.length < SPARE_MAX_WRITERS && this.connection.isWritten) this.#spare.push(out.reset());
  }

  /** A command. */
  #answered({ batch, handler, open }: Pending): LinkHandler {
    this.#commands--;
    if (open === 0 && --batch!.open === 0) this.#reuse(batch!);
    return handler;
  }

  #refused(pending: Pending, text: string): void {
    const { script } = pending;
    if (script !== undefined && text.startsWith('NOSCRIPT')) {
      pending.open = 1;
      this.#unknown.push(pending);
      this.#toLoad.add(script);
      return;
    }
    const handler = this.#answered(pending);
    const handled = handler.refused?.(text) ?? false;
    if (!handled) handler.fail(errors.internal);
    this.owner.refused(text, handled);
  }

  #loadAndRepeat(): void {
    const out = new ByteWriter();
    const repeated: Pending[] = [];
    const append = (handler: LinkHandler, write: () => void): void => {
      const start = out.length;
      write();
      // No script to be loaded: once must be enough.
      repeated.push(new Pending(handler, start, out.length, undefined));
    };
    for (const { lua } of this.#toLoad) append(NOBODY, () => writeCommand(out, ['SCRIPT', 'LOAD', lua]));
    for (const { handler, batch, start, end } of this.#unknown)
      append(handler, () => out.range(batch!.out.buffer, start, end));
    this.#commands += this.#toLoad.size;
    this.#toLoad.clear();
    this.#unknown = [];
    this.#send(out, repeated);
  }

  #dropIfOverdue(): void {
    const oldest = this.#sent.peek();
    if (oldest === undefined || this.deps.clock.now() - oldest.batch!.sentAt < this.server.ioTimeoutMs) return;
    this.connection.drop(`no reply within ${this.server.ioTimeoutMs} ms`);
  }

  #failAll(): void {
    const lost = [...this.#unknown, ...this.#sent.takeAll(), ...this.#queued];
    this.#unknown = [];
    this.#queued = [];
    this.#sentBytes = 0;
    this.#commands = 0;
    this.#out.reset();
    for (const { handler, open } of lost) for (let i = 0; i < open; i++) handler.fail(errors.internal);
  }
}
