/**
 * uWebSockets.js, loaded on first use so that a binary which cannot load is an error of that call, with a message to
 * act on, and not of an import. Only this folder knows the library.
 *
 * Misuse of it ends the process. The rules that this folder keeps:
 *   - every HTTP handler answers, or registers onAborted, before it returns; nothing touches a response after that
 *   - requests live for the callback; message and body buffers are detached when it returns
 *   - a closed socket is never touched: its methods throw
 *   - no JavaScript exception leaves a callback: in a worker thread that would abort the process
 */
import { createRequire } from 'node:module';

export type { HttpRequest, HttpResponse, TemplatedApp, us_listen_socket, WebSocket } from 'uWebSockets.js';

type Library = typeof import('uWebSockets.js') & { readonly LIBUS_LISTEN_EXCLUSIVE_PORT: number };

declare const descriptor: unique symbol;
/** An app's native address as a number, to be passed between threads. Only valid while its thread lives. */
export type AppDescriptor = number & { [descriptor]: true };

// In the library, but not in its declarations.
declare module 'uWebSockets.js' {
  interface HttpResponse {
    /** PEM of the client's certificate, verified; '' when it has shown none. Only where TLS is. */
    getX509Certificate(): string;
  }
  interface TemplatedApp {
    getDescriptor(): AppDescriptor;
    addChildAppDescriptor(descriptor: AppDescriptor): TemplatedApp;
    removeChildAppDescriptor(descriptor: AppDescriptor): TemplatedApp;
    listen(
      host: string,
      port: number,
      options: number,
      cb: (socket: import('uWebSockets.js').us_listen_socket | false) => void,
    ): TemplatedApp;
  }
}

/** Request line and headers: room for large cookies and tokens. The library's own limit is 4 KiB. */
const MAX_HEADER_BYTES = 64 * 1024;

let library: Library | undefined;

/**
 * The library. To be called first on the main thread: it reads its header limit from the process environment when it is
 * loaded, once for all threads, and workers only have a copy of that environment.
 *
 * @throws {Error} with one line saying why it cannot load and what to do
 */
export function uws(): Library {
  library ??= load();
  return library;
}

function load(): Library {
  process.env.UWS_HTTP_MAX_HEADERS_SIZE ??= String(MAX_HEADER_BYTES);
  try {
    return createRequire(import.meta.url)('uWebSockets.js') as Library;
  } catch (error) {
    throw new Error(explain(String(error)));
  }
}

/** One line for a load error: what is wrong on this system, and the fix. */
export function explain(error: string): string {
  const prefix = 'uWebSockets.js cannot be loaded';
  if (error.includes("GLIBC_2.38' not found")) {
    return `${prefix}: this system's glibc is older than 2.38. Run "node scripts/patch-uws.mjs" once, then start again.`;
  }
  if (error.includes("Cannot find module 'uWebSockets.js'")) return `${prefix}: it is not installed. Run "npm ci".`;
  const here = `Node ${process.versions.node} on ${process.platform} ${process.arch}`;
  const cause = /Error: (?!This version of uWS)(.+)/.exec(error)?.[1] ?? error;
  return `${prefix} by ${here}: ${cause.trim()}. It needs Node 20, 22, 24 or 25 on Linux with glibc, macOS or Windows.`;
}
