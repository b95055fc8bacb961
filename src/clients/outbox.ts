/**
 * The way out of one connection: frames of a turn become one write, frames that a slow socket does not take yet wait here.
 *
 *             write        flush at the end of the turn
 *   Open  ─────────────▶ queued ─────────▶ socket
 *   Held      waits for the connect reply, which has to come first
 *   Blocked   the socket still has bytes of the last write: wait for `drained`
 *   Shut      nothing is written any more, ever
 *
 * Order: as written. Loss: none while not Shut; what a Shut outbox dropped is a tail, never a gap.
 * Bounds: {@link JOINED_MAX_BYTES} a write, {@link LARGE_JOINED_MAX_BYTES} one that ends with a large frame, `queueMaxBytes`
 * waiting. A single frame larger than any is still one write.
 */
import { copied } from '../lib/bytes.js';
import type { Flushable, Turn } from '../lib/turn.js';
import type { Codec } from '../protocol/codec.js';
import { type Disconnect, disconnects } from '../protocol/codes.js';
import type { Bytes } from '../protocol/messages.js';
import { BUFFERED, SENT, type Socket } from './socket.js';

/** Frames are joined up to about the cork buffer of the socket library: larger writes gain nothing. */
export const JOINED_MAX_BYTES = 16 * 1024;

/** Of such frames no two are joined, so there is nothing to wait for. */
export const LARGE_BYTES = JOINED_MAX_BYTES / 2;

/** Up to here a large frame is joined with what waits ahead of it: copying it takes less than another write. */
export const LARGE_JOINED_MAX_BYTES = 4 * JOINED_MAX_BYTES;

/** For what is joined: the socket has read it when it has taken it. With room for what stands between frames. */
const joined = Buffer.allocUnsafeSlow(LARGE_JOINED_MAX_BYTES + JOINED_MAX_BYTES);

type State = 'open' | 'held' | 'blocked' | 'shut';

export interface OutboxOwner {
  readonly codec: Codec;
  readonly socket: Socket;
  /** The outbox has shut itself: 3008 or 3009. Called at the end of a turn, never from inside `write`. */
  outboxFailed(why: Disconnect): void;
  /** The socket did not take everything: the time to let it drain starts now. */
  outboxBlocked(): void;
}

export class Outbox implements Flushable {
  private state: State = 'open';
  /** One frame is kept as it is: the common case allocates nothing. */
  private frames: Bytes | Bytes[] | null = null;
  private waitingBytes = 0;
  private touched = false;
  private failure: Disconnect | null = null;

  constructor(
    private readonly owner: OutboxOwner,
    private readonly turn: Pick<Turn, 'touch'>,
    private readonly queueMaxBytes: number,
  ) {}

  get blocked(): boolean {
    return this.state === 'blocked';
  }

  /** Nothing is kept back, and nothing keeps a frame back. */
  get idle(): boolean {
    return this.state === 'open' && this.frames === null;
  }

  write(frame: Bytes): void {
    if (this.state === 'shut') return;
    this.append(frame);
    if (this.state === 'open') {
      if (this.waitingBytes >= JOINED_MAX_BYTES) this.send();
      else this.touch();
    } else if (this.waitingBytes > this.queueMaxBytes) {
      this.fail(disconnects.slow);
    }
  }

  /** A frame that leaves at once, unless something is ahead of it. */
  writeNow(frame: Bytes): void {
    if (this.idle) this.hand(frame);
    else this.write(frame);
  }

  /** A frame in memory that is used again after the call: a large one leaves at once if it can, others are copied. */
  writeBorrowed(frame: Bytes): void {
    if (this.state === 'open' && frame.length >= LARGE_BYTES) {
      if (this.waitingBytes + frame.length > LARGE_JOINED_MAX_BYTES) this.send();
      if (this.state === 'open') {
        this.append(frame);
        this.send(LARGE_JOINED_MAX_BYTES);
        return;
      }
    }
    this.write(copied(frame));
  }

  /** Keep everything back until {@link release}. */
  hold(): void {
    if (this.state === 'open') this.state = 'held';
  }

  /** `frame` goes out before everything that was held. */
  release(frame: Bytes): void {
    if (this.state !== 'held') return;
    const held = this.frames;
    this.frames = held === null ? frame : [frame].concat(held);
    this.waitingBytes += frame.length;
    this.state = 'open';
    this.touch();
  }

  /** Drop what was held: the connect that held it has failed. */
  discardHeld(): void {
    if (this.state !== 'held') return;
    this.clear();
    this.state = 'open';
  }

  flush(): void {
    if (this.state === 'open') this.send();
    this.touched = false;
    const failure = this.failure;
    if (failure === null) return;
    this.failure = null;
    this.owner.outboxFailed(failure);
  }

  drained(): void {
    if (this.state !== 'blocked') return;
    this.state = 'open';
    this.send();
  }

  /** Take no more frames. Those already here still go out with {@link flush}, as far as the socket takes them. */
  seal(why: Disconnect): void {
    if (this.state === 'open') this.send();
    this.fail(why);
  }

  /** Forget everything; nothing is written after this. */
  shut(): void {
    this.state = 'shut';
    this.failure = null;
    this.clear();
  }

  private append(frame: Bytes): void {
    const frames = this.frames;
    if (frames === null) this.frames = frame;
    else if (Array.isArray(frames)) frames.push(frame);
    else this.frames = [frames, frame];
    this.waitingBytes += frame.length;
  }

  private send(maxBytes = JOINED_MAX_BYTES): void {
    while (this.frames !== null && this.hand(this.take(this.frames, maxBytes)));
  }

  /** @returns whether the socket took it and would take more. */
  private hand(frame: Bytes): boolean {
    const { socket, codec } = this.owner;
    const result = socket.send(frame, codec.binary);
    if (result === BUFFERED) this.block();
    else if (result !== SENT) this.fail(disconnects.writeError);
    return result === SENT;
  }

  private block(): void {
    this.state = 'blocked';
    this.owner.outboxBlocked();
    if (this.waitingBytes > this.queueMaxBytes) this.fail(disconnects.slow);
  }

  /** The next write: as many of the frames as fit, at least one. */
  private take(frames: Bytes | Bytes[], maxBytes: number): Bytes {
    if (!Array.isArray(frames)) {
      this.clear();
      return frames;
    }
    let count = 0;
    let bytes = 0;
    while (count < frames.length && (count === 0 || bytes + frames[count]!.length <= maxBytes)) {
      bytes += frames[count++]!.length;
    }
    if (count === frames.length) {
      this.clear();
      return this.owner.codec.join(frames, joined);
    }
    this.waitingBytes -= bytes;
    return this.owner.codec.join(frames.splice(0, count), joined);
  }

  private touch(): void {
    if (this.touched) return;
    this.touched = true;
    this.turn.touch(this);
  }

  /** Told to the owner at the end of the turn: `write` is called from loops over a channel's subscribers. */
  private fail(why: Disconnect): void {
    this.state = 'shut';
    this.clear();
    this.failure ??= why;
    this.touch();
  }

  private clear(): void {
    this.frames = null;
    this.waitingBytes = 0;
  }
}
