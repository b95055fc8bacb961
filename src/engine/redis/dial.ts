/** Sockets to a server: TCP, TLS, or a Unix socket; and the first commands on them. */
import { connect, type Socket } from 'node:net';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';
import { ByteWriter } from '../../lib/bytes.js';
import { RespError, RespReader, type RespValue } from '../../lib/resp.js';
import { writeCommand } from '../../lib/resp-command.js';
import type { Endpoint, ServerOptions } from './options.js';

/** A peer that vanished is noticed by the kernel even where nothing is sent. */
const KEEP_ALIVE_MS = 15_000;

/** Of one read. */
const READ_BYTES = 64 << 10;
/** For the beginning of what the last read has cut in two. Longer beginnings are joined elsewhere. */
const ROOM_BYTES = 4 << 10;

/** A socket that reads into the same memory again and again. */
export interface Line {
  readonly socket: Socket;
  /** Takes what is read next. The bytes are borrowed, and may be overwritten, as may be `room` bytes in front of them. */
  receive: (bytes: Buffer, room: number) => void;
}

/** Not connected yet: see {@link connected}. Why it closed is in its socket's `errored`. */
export function openLine({ host, port }: Endpoint, tls: ConnectionOptions | undefined): Line {
  const memory = Buffer.allocUnsafeSlow(ROOM_BYTES + READ_BYTES).subarray(ROOM_BYTES);
  const onread = {
    buffer: memory,
    callback: (bytes: number): boolean => {
      line.receive(memory.subarray(0, bytes), ROOM_BYTES);
      return true;
    },
  };
  const where = { ...(port === 0 ? { path: host } : { host, port }), onread };
  const socket = tls ? connectTls({ ...tls, ...where }) : connect(where);
  // Whoever uses the socket looks at 'close', which always follows.
  socket.on('error', () => {});
  socket.setNoDelay(true);
  socket.setKeepAlive(true, KEEP_ALIVE_MS);
  const line: Line = { socket, receive: () => {} };
  return line;
}

/** Rejects, with the socket destroyed, when it cannot be reached in time. */
export function connected(socket: Socket, tls: boolean, timeoutMs: number): Promise<void> {
  return within(socket, timeoutMs, 'no connection', (done) => {
    socket.once(tls ? 'secureConnect' : 'connect', done);
  });
}

export interface HandshakeOptions extends Pick<ServerOptions, 'user' | 'password' | 'db' | 'clientName'> {
  /** Refuse a replica. */
  readonly masterOnly: boolean;
  readonly timeoutMs: number;
}

/**
 * Make a fresh connection one that carries out commands: AUTH, SELECT, CLIENT SETNAME, all in one write. The PING at the
 * end is refused by a server that is loading its data, or wants a password. HELLO is never sent: see lib/resp.ts.
 * Rejects, with the socket destroyed, when the server refuses any of it. No secret is in the error.
 */
export function shakeHands(line: Line, options: HandshakeOptions): Promise<void> {
  const { socket } = line;
  const commands = introduction(options);
  return within(socket, options.timeoutMs, 'no answer to the handshake', (done) => {
    let answered = 0;
    const reader = new RespReader({
      reply(reply) {
        checkAnswer(commands[answered]!, reply);
        if (++answered < commands.length) return;
        reader.stop();
        done();
      },
    });
    line.receive = (bytes) => {
      try {
        reader.feed(bytes);
      } catch (error) {
        socket.destroy(error as Error);
      }
    };
    const out = new ByteWriter(512);
    for (const command of commands) writeCommand(out, command);
    socket.write(out.copy());
  });
}

function introduction({ user, password, db, clientName, masterOnly }: HandshakeOptions): string[][] {
  const commands: string[][] = [];
  if (user !== '') commands.push(['AUTH', user, password]);
  else if (password !== '') commands.push(['AUTH', password]);
  if (db !== 0) commands.push(['SELECT', String(db)]);
  if (clientName !== '') commands.push(['CLIENT', 'SETNAME', clientName]);
  if (masterOnly) commands.push(['ROLE']);
  commands.push(['PING']);
  return commands;
}

function checkAnswer([name]: string[], reply: RespValue | RespError): void {
  if (reply instanceof RespError) throw new Error(`${name} refused: ${withoutArguments(reply.text)}`);
  if (name === 'ROLE' && !isMaster(reply)) throw new Error('the server is not a master');
}

/** @param reply  to ROLE. */
export const isMaster = (reply: RespValue): boolean => Array.isArray(reply) && String(reply[0]) === 'master';

/** A server that does not know a command repeats its arguments: secrets, payloads. */
export const withoutArguments = (text: string): string => text.replace(/,? with args beginning with.*/s, '');

/** Wait for `start` to call `done` before the socket closes or time is up. */
function within(socket: Socket, timeoutMs: number, late: string, start: (done: () => void) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => socket.destroy(new Error(`${late} within ${timeoutMs} ms`)), timeoutMs);
    const closed = (): void => {
      clearTimeout(timer);
      reject(closeReason(socket));
    };
    socket.once('close', closed);
    start(() => {
      clearTimeout(timer);
      socket.off('close', closed);
      resolve();
    });
  });
}

/** Why a socket is closed. Node gives no message when it tried several addresses. */
export function closeReason(socket: Socket): Error {
  const error: NodeJS.ErrnoException | null = socket.errored;
  if (error === null) return new Error('the server closed the connection');
  return error.message === '' ? new Error(error.code ?? error.name) : error;
}
