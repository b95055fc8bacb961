/** A server that speaks the protocol of Redis and answers what a test wants, for what a real one does not do on demand. */
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { RespReader, type RespValue } from '../../src/lib/resp.js';

/**
 * @param say  writes to the connection, later.
 * @returns what is written to the connection, `undefined` to stay silent.
 */
export type Answer = (command: string[], say: (text: string) => void) => string | undefined;

export class FakeRedis {
  readonly host = '127.0.0.1';
  /** All that was asked, over all connections. */
  readonly commands: string[][] = [];
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  constructor(public answer: Answer) {
    this.#server = createServer((socket) => this.#serve(socket));
  }

  async start(): Promise<this> {
    this.#server.listen(0, this.host);
    await once(this.#server, 'listening');
    return this;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get connections(): number {
    return this.#sockets.size;
  }

  /** Closes all connections; new ones can be made. */
  disconnect(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  stop(): void {
    this.#server.close();
    this.disconnect();
  }

  #serve(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => this.#sockets.delete(socket));
    const say = (text: string): void => void socket.write(text);
    const reader = new RespReader({
      reply: (command) => {
        const words = (command as RespValue[]).map(String);
        this.commands.push(words);
        const answer = this.answer(words, say);
        if (answer !== undefined) say(answer);
      },
    });
    socket.on('data', (chunk) => reader.feed(chunk));
  }
}

/** What a server says that is up but has nothing to do: PONG and OK. */
export const polite: Answer = ([name]) => (name === 'PING' ? '+PONG\r\n' : '+OK\r\n');

export const bulks = (...items: string[]): string =>
  `*${items.length}\r\n${items.map((item) => `$${Buffer.byteLength(item)}\r\n${item}\r\n`).join('')}`;
