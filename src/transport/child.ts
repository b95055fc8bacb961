/** A worker thread's app: it gets its connections from the acceptor of the main thread. */
import { type AppDescriptor, type TemplatedApp, uws } from './uws.js';

export interface ChildApp {
  /** For the main thread's acceptor. */
  readonly descriptor: AppDescriptor;
  /**
   * Close all connections (their sessions hear `closed`) and the app. To be called after the acceptor has removed the
   * child; the thread may end when this resolves. Politely ended connections need a moment before, to send what is left.
   */
  close(): Promise<void>;
}

/**
 * @param register  adds the routes. An app without child connections does not keep the thread alive.
 * @throws {Error} when uWebSockets.js cannot be loaded, see uws.ts
 */
export function createChildApp(register: (app: TemplatedApp) => void): ChildApp {
  const app = uws().App();
  register(app);
  return {
    descriptor: app.getDescriptor(),
    async close() {
      // Connections that were handed over before the removal arrive with the loop's next turn; an app must not be
      // closed before it has taken them.
      for (let turn = 0; turn < 2; turn++) await new Promise((resolve) => setImmediate(resolve));
      app.close();
    },
  };
}
