/**
 * The main thread's part of accepting connections: one listening socket, whose connections go to the child apps of the
 * worker threads in turn.
 *
 *   main:   createAcceptor -> addChild(descriptor of each worker) -> listen
 *   worker: ChildApps -> their descriptors to main; later, main removes them before the worker closes them
 */
import { createServer } from 'node:net';
import { type AppDescriptor, type TemplatedApp, type us_listen_socket, uws } from './uws.js';

export interface Acceptor {
  /**
   * Start accepting. May be called for several addresses.
   *
   * @param host  address to bind; '' for all addresses, IPv4 and IPv6
   * @param port  0 for any free port
   * @returns the port
   * @throws {Error} saying in one line why it cannot listen there
   */
  listen(host: string, port: number): Promise<number>;
  /** Give the child its share of new connections. Its thread must not end before {@link removeChild}. */
  addChild(child: AppDescriptor): void;
  /** No new connections for this child. Those already on their way still arrive there. */
  removeChild(child: AppDescriptor): void;
  /** Stop listening. Connections that children have stay open. */
  close(): void;
}

/**
 * @param secure  whether its children have TLS: all or none. The acceptor itself has no certificate, since it hands
 *   connections over before their handshake.
 * @throws {Error} when uWebSockets.js cannot be loaded, see uws.ts
 */
export function createAcceptor(secure = false): Acceptor {
  const library = uws();
  const app = secure ? library.SSLApp({}) : library.App();
  const sockets: us_listen_socket[] = [];

  // Reached only while there is no child, as when the only worker is being replaced. With TLS the handshake fails.
  app.any('/*', (res) => {
    res.writeStatus('503 Service Unavailable').end('Service Unavailable\n', true);
  });

  return {
    async listen(host, port) {
      const socket = bind(app, host, port);
      if (socket === false) throw await listenError(host, port);
      sockets.push(socket);
      return library.us_socket_local_port(socket);
    },
    addChild: (child) => void app.addChildAppDescriptor(child),
    removeChild: (child) => void app.removeChildAppDescriptor(child),
    close() {
      for (const socket of sockets.splice(0)) library.us_listen_socket_close(socket);
    },
  };
}

/** Exclusive, because the library would otherwise share a port that another server already has. */
function bind(app: TemplatedApp, host: string, port: number): us_listen_socket | false {
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

/** The library does not say why it cannot listen, so Node is asked to try the same. */
function listenError(host: string, port: number): Promise<Error> {
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
