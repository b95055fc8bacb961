/** A connection to a server that is made again, for as long as it takes, whenever it is lost. */
import type { Socket } from 'node:net';
import { type RespReader, RespSyntaxError } from '../../lib/resp.js';
import type { Log } from '../../observe/log.js';
import { closeReason, connected, type Line, openLine, shakeHands } from './dial.js';
import type { Endpoint, ServerOptions } from './options.js';

/** Which server to connect to. */
export interface Target {
  /** Asked before every attempt. */
  locate(): Endpoint | Promise<Endpoint>;
  /** It must say that it is a master. */
  readonly masterOnly: boolean;
}

export interface ConnectionUser {
  /** For what the next connection receives. */
  createReader(): RespReader;
  /** Commands can be written from here on. */
  up(): void;
  /** It is gone; what was written may or may not have arrived. Follows every {@link up}, unless closed. */
  down(): void;
  /** An attempt to connect failed. */
  failed(error: Error): void;
}

/** Who has a connection's user: hears what becomes of it. */
export interface ConnectionOwner {
  connectedChanged(): void;
  /** An attempt to connect failed. */
  failed(error: Error): void;
  /** The server answered with an error; whoever is concerned has been told. @param handled  it is their matter. */
  refused(text: string, handled: boolean): void;
}

export interface ConnectionDeps {
  readonly log: Log;
  /** Before the second attempt, half of it at least; doubles up to the maximum. */
  readonly redialMinMs: number;
  readonly redialMaxMs: number;
}

export class Connection {
  #socket: Socket | undefined;
  #reader: RespReader | undefined;
  #endpoint: Endpoint | undefined;
  #up = false;
  #closed = false;
  #endPause: (() => void) | undefined;
  /** What the log says of the last failure, so that it says it once. */
  #reported = '';

  constructor(
    private readonly purpose: 'commands' | 'PUB/SUB',
    private readonly target: Target,
    private readonly server: ServerOptions,
    private readonly user: ConnectionUser,
    private readonly deps: ConnectionDeps,
  ) {
    // Not before the user is constructed, too.
    queueMicrotask(() => void this.#keepConnected());
  }

  get isUp(): boolean {
    return this.#up;
  }

  /** Where it is, or is being made to. */
  get endpoint(): Endpoint | undefined {
    return this.#endpoint;
  }

  /** Whether the system has taken everything that was to be written. */
  get isWritten(): boolean {
    return this.#socket!.writableLength === 0;
  }

  /** The memory must not change before {@link isWritten}. Nothing happens while it is not up. */
  write(bytes: Uint8Array): void {
    if (this.#up) this.#socket!.write(bytes);
  }

  /** Give the connection up, and make a new one. {@link ConnectionUser.down} is called before this returns. */
  drop(reason: string): void {
    if (!this.#up) return;
    this.#up = false;
    this.#reader!.stop();
    this.#socket!.destroy();
    this.deps.log.warn({ ...this.#place(), reason }, 'Redis connection lost');
    this.user.down();
  }

  /** Do not wait for the next attempt. */
  redialNow(): void {
    this.#endPause?.();
  }

  close(): void {
    this.#closed = true;
    this.#up = false;
    this.#reader?.stop();
    this.#socket?.destroy();
    this.#endPause?.();
  }

  async #keepConnected(): Promise<void> {
    for (let failures = 0; !this.#closed; failures++) {
      try {
        const line = await this.#dial();
        failures = 0;
        await this.#use(line);
      } catch (error) {
        if (this.#closed) return;
        this.#report(error as Error);
        this.user.failed(error as Error);
      }
      if (!this.#closed) await this.#pause(failures);
    }
  }

  async #dial(): Promise<Line> {
    const { connectTimeoutMs, ioTimeoutMs, tls } = this.server;
    const { masterOnly } = this.target;
    this.#endpoint = undefined;
    this.#endpoint = await this.target.locate();
    if (this.#closed) throw new Error('closed');
    const line = openLine(this.#endpoint, tls);
    const { socket } = line;
    this.#socket = socket;
    await connected(socket, tls !== undefined, connectTimeoutMs);
    await shakeHands(line, { ...this.server, masterOnly, timeoutMs: ioTimeoutMs });
    if (socket.destroyed) throw closeReason(socket);
    return line;
  }

  /** Resolves when it is over. */
  #use(line: Line): Promise<void> {
    const { socket } = line;
    const reader = this.user.createReader();
    this.#reader = reader;
    line.receive = (bytes, room) => this.#receive(reader, bytes, room);
    const over = new Promise<void>((resolve) => {
      socket.once('close', () => {
        if (this.#socket === socket) this.drop(closeReason(socket).message);
        resolve();
      });
    });
    this.#up = true;
    this.#reported = '';
    this.deps.log.info(this.#place(), 'Redis connected');
    this.user.up();
    return over;
  }

  #receive(reader: RespReader, bytes: Buffer, room: number): void {
    try {
      reader.feed(bytes, room);
    } catch (error) {
      if (!(error instanceof RespSyntaxError)) throw error;
      this.drop(`what the server sends is not RESP: ${error.message}`);
    }
  }

  #report(error: Error): void {
    const level = this.#reported === error.message ? 'debug' : 'error';
    this.#reported = error.message;
    this.deps.log[level]({ ...this.#place(), reason: error.message }, 'Redis cannot be reached, trying again');
  }

  #place(): { purpose: string; address?: string } {
    const at = this.#endpoint;
    const address = at && (at.port === 0 ? at.host : `${at.host}:${at.port}`);
    return { purpose: this.purpose, ...(address !== undefined && { address }) };
  }

  /** With jitter: the clients of a server that comes back do not come all at once. */
  #pause(failures: number): Promise<void> {
    const { redialMinMs, redialMaxMs } = this.deps;
    const ms = Math.min(redialMaxMs, redialMinMs * 2 ** failures) * (0.5 + Math.random() / 2);
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#endPause = () => {
        clearTimeout(timer);
        this.#endPause = undefined;
        resolve();
      };
    });
  }
}
