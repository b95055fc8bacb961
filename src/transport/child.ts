/**
 * A worker thread's apps, one for each listener: they get their connections from the acceptors of the main thread, or
 * accept them where the thread is the only one.
 */
import { bind, listenError } from './listening.js';
import {
  type AppCertificate,
  createSecureApp,
  isSameCertificate,
  type Routes,
  withClientCertificates,
} from './secure-app.js';
import { type AppDescriptor, type TemplatedApp, type us_listen_socket, uws } from './uws.js';

export interface ChildOptions {
  /** Adds the routes; called again for each new certificate. An app without connections does not keep the thread alive. */
  readonly register: (app: Routes) => void;
  /** Undefined for an app without TLS. */
  certificate: AppCertificate | undefined;
}

/** @throws {Error} when uWebSockets.js cannot be loaded, see uws.ts, or cannot use a certificate */
export class ChildApps {
  #current: TemplatedApp[];
  /**
   * An app keeps its certificate for life, so a new certificate is a new app. The former keep their connections until
   * the end: closing an app would close them, and gives back nothing (an app weighs 35 KB, and the library frees none).
   */
  readonly #former: TemplatedApp[] = [];
  /** Of the apps that listen themselves. */
  readonly #sockets = new Map<number, us_listen_socket>();

  constructor(private readonly listeners: readonly ChildOptions[]) {
    this.#current = listeners.map(create);
  }

  /** For the main thread's acceptors, in the order of the listeners. */
  get descriptors(): AppDescriptor[] {
    return this.#current.map((app) => app.getDescriptor());
  }

  /**
   * Have new connections get these certificates, as soon as the acceptors know the new {@link descriptors}. Connections
   * that there are stay as they are.
   *
   * @param certificates  of each listener; those without TLS stay so
   */
  renew(certificates: readonly (AppCertificate | undefined)[]): void {
    this.#current = this.#current.map((app, i) => {
      const listener = this.listeners[i]!;
      const certificate = certificates[i];
      if (certificate === undefined || isSameCertificate(certificate, listener.certificate)) return app;
      listener.certificate = certificate;
      this.#former.push(app);
      return create(listener);
    });
  }

  /**
   * Have the app of a listener without TLS accept connections, if it does not yet. See {@link bind}.
   * @returns the port
   * @throws {Error} see {@link listenError}
   */
  async listen(listener: number, host: string, port: number): Promise<number> {
    const app = this.#current[listener]!;
    const socket = this.#sockets.get(listener) ?? bind(app, host, port || freePort(app, host));
    if (socket === false) throw await listenError(host, port);
    this.#sockets.set(listener, socket);
    return uws().us_socket_local_port(socket);
  }

  stopListening(): void {
    for (const socket of this.#sockets.values()) uws().us_listen_socket_close(socket);
    this.#sockets.clear();
  }

  /**
   * Close all connections (their sessions hear `closed`) and the apps. To be called after the acceptors have removed
   * them; the thread may end when this resolves. Politely ended connections need a moment before, to send what is left.
   */
  async close(): Promise<void> {
    this.stopListening();
    // Connections that were handed over before the removal arrive with the loop's next turn; an app must not be
    // closed before it has taken them.
    for (let turn = 0; turn < 2; turn++) await new Promise((resolve) => setImmediate(resolve));
    for (const app of [...this.#former, ...this.#current]) app.close();
  }
}

/**
 * A socket that was given any port shares it with none to come, not even once it is closed, while connections of its end. One
 * that asks for the port by its number does.
 */
function freePort(app: TemplatedApp, host: string): number {
  const socket = bind(app, host, 0);
  if (socket === false) return 0;
  const port = uws().us_socket_local_port(socket);
  uws().us_listen_socket_close(socket);
  return port;
}

function create({ register, certificate }: ChildOptions): TemplatedApp {
  const app = certificate === undefined ? uws().App() : createSecureApp(certificate);
  const verifies = certificate !== undefined && certificate !== 'awaited' && certificate.clientCa !== undefined;
  register(verifies ? withClientCertificates(app) : app);
  return app;
}
