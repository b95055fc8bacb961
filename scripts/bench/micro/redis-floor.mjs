/** What a bare socket takes for the bytes that the Redis engine sends and gets. */
import { connect, Socket } from 'node:net';

const READ_BYTES = 64 << 10;
const NEWLINE = 0x0a;

/** A bare socket, which reads into the same memory again and again, as the engine's do. */
export class Bare {
  #missing = 0;
  #done = () => {};

  /** @param size  of the first so many bytes of memory that were read, in the unit of {@link expect}. */
  constructor(address, size) {
    const memory = Buffer.allocUnsafeSlow(READ_BYTES);
    const callback = (bytes) => {
      this.#missing -= size(memory, bytes);
      if (this.#missing === 0) this.#done();
      return true;
    };
    const [host, port] = address.split(':');
    this.socket = connect({ host, port: Number(port), onread: { buffer: memory, callback } });
    this.socket.setNoDelay(true);
  }

  close() {
    this.socket.destroy();
  }

  /** Resolves when so much was read from now on. */
  expect(size) {
    this.#missing = size;
    return new Promise((resolve) => {
      this.#done = resolve;
    });
  }

  /** Writes at the end of the turn, as the engine does. */
  exchange(bytes, size) {
    setImmediate(() => this.socket.write(bytes));
    return this.expect(size);
  }
}

/** How many lines end. */
export function linesOf(memory, bytes) {
  let lines = 0;
  for (let i = 0; i < bytes; i++) if (memory[i] === NEWLINE) lines++;
  return lines;
}

/** The longest piece that any socket of this process writes meanwhile. */
export async function written(action) {
  const { write } = Socket.prototype;
  const pieces = [];
  Socket.prototype.write = function (bytes, ...rest) {
    pieces.push(Buffer.from(bytes));
    return write.call(this, bytes, ...rest);
  };
  try {
    await action();
  } finally {
    Socket.prototype.write = write;
  }
  return pieces.reduce((longest, piece) => (piece.length > longest.length ? piece : longest));
}
