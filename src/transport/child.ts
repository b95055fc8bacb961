/** A worker thread's apps, one for each listener: they get their connections from the acceptors of the main thread. */
import {
  type AppCertificate,
  createSecureApp,
  isSameCertificate,
  type Routes,
  withClientCertificates,
} from './secure-app.js';
import { type AppDescriptor, type TemplatedApp, uws } from './uws.js';

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
   * Close all connections (their sessions hear `closed`) and the apps. To be called after the acceptors have removed
   * them; the thread may end when this resolves. Politely ended connections need a moment before, to send what is left.
   */
  async close(): Promise<void> {
    // Connections that were handed over before the removal arrive with the loop's next turn; an app must not be
    // closed before it has taken them.
    for (let turn = 0; turn < 2; turn++) await new Promise((resolve) => setImmediate(resolve));
    for (const app of [...this.#former, ...this.#current]) app.close();
  }
}

function create({ register, certificate }: ChildOptions): TemplatedApp {
  const app = certificate === undefined ? uws().App() : createSecureApp(certificate);
  const verifies = certificate !== undefined && certificate !== 'awaited' && certificate.clientCa !== undefined;
  register(verifies ? withClientCertificates(app) : app);
  return app;
}
