/** Having an app listen, and saying why it cannot. */
import { createServer } from 'node:net';
import { type TemplatedApp, type us_listen_socket, uws } from './uws.js';

/**
 * Exclusive, because the library would otherwise share a port that another server already has.
 *
 * @param host  address to bind; '' for all addresses, IPv4 and IPv6
 * @param port  0 for any free port
 * @returns false where that is not possible: {@link listenError} says why
 */
export function bind(app: TemplatedApp, host: string, port: number): us_listen_socket | false {
  const exclusive = uws().LIBUS_LISTEN_EXCLUSIVE_PORT;
  const bound: (us_listen_socket | false)[] = [];
  const done = (socket: us_listen_socket | false) => void bound.push(socket);
  if (host === '') app.listen(port, exclusive, done);
  else app.listen(host, port, exclusive, done);
  return bound[0] ?? false;
}

const CAUSES: Readonly<Record<string, string>> = {
  EADDRINUSE: 'another program is listening there',
  EACCES: 'no permission; ports below 1024 need a privilege',
  EADDRNOTAVAIL: 'this machine has no such address',
  ENOTFOUND: 'no such host name',
};

/** In one line. The library does not say why it cannot listen, so Node is asked to try the same. */
export function listenError(host: string, port: number): Promise<Error> {
  const where = `${host.includes(':') ? `[${host}]` : host || '*'}:${port}`;
  const describe = (cause: string) => new Error(`Cannot listen on ${where}: ${cause}.`);
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', ({ code = '', message }: NodeJS.ErrnoException) => resolve(describe(CAUSES[code] ?? message)));
    server.listen({ port, host: host || '::' }, () => {
      server.close();
      resolve(describe('the address could not be bound'));
    });
  });
}
