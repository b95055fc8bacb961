import type { Codec } from '../protocol/codec.js';
import type { Bytes, Command } from '../protocol/messages.js';

/** Commands that one connection may have waiting for its earlier ones. A connection above it is closed with 3013. */
export const BACKLOG_MAX_BYTES = 1 << 20;

/**
 * Commands that arrived while earlier ones of the connection were still at work. Frames are copied, because a frame is
 * only valid during its callback, and decoded when their turn comes.
 */
export class Backlog {
  private readonly frames: Bytes[] = [];
  private bytes = 0;
  private commands: Command[] = [];
  private next = 0;

  /**
   * @param skip  how many commands of the frame are done.
   * @returns false when the frame does not fit.
   */
  push(frame: Bytes, codec: Codec, skip: number): boolean {
    if (this.bytes + frame.length > BACKLOG_MAX_BYTES) return false;
    this.bytes += frame.length;
    const copy = Buffer.from(frame);
    if (skip > 0) {
      this.commands = codec.decode(copy);
      this.next = skip;
    }
    this.frames.push(copy);
    return true;
  }

  /** @throws MalformedFrame */
  shift(codec: Codec): Command | undefined {
    if (this.next === this.commands.length) {
      const frame = this.frames[0];
      if (frame === undefined) return undefined;
      this.commands = codec.decode(frame);
      this.next = 0;
    }
    const command = this.commands[this.next++]!;
    if (this.next === this.commands.length) this.bytes -= this.frames.shift()!.length;
    return command;
  }
}
