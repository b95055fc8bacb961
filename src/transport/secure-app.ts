/** Apps with TLS: their keys and certificates, and clients that must show one. */
import { accessSync, constants, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isSameTls, type ServerTls } from '../config/server-tls.js';
import { type HttpRequest, type HttpResponse, type TemplatedApp, uws } from './uws.js';

/** `awaited`: there is no certificate yet, every handshake fails. */
export type AppCertificate = ServerTls | 'awaited';

export const isSameCertificate = (a: AppCertificate | undefined, b: AppCertificate | undefined): boolean =>
  typeof a === 'object' && typeof b === 'object' ? isSameTls(a, b) : a === b;

/** What routes are registered on. */
export type Routes = Pick<TemplatedApp, 'any' | 'ws'>;

/**
 * An app that speaks TLS 1.2 and 1.3.
 *
 * The library reads keys from files only. They exist for the time of this call, readable by this user alone, and where
 * there is a file system in memory they do not touch a disk.
 *
 * @throws {Error} when the library cannot use the certificate
 */
export function createSecureApp(certificate: AppCertificate): TemplatedApp {
  const { SSLApp } = uws();
  if (certificate === 'awaited') return SSLApp({});
  const directory = mkdtempSync(join(memoryDirectory(), `gyre-tls-${process.pid}-`));
  const file = (name: string, content: Uint8Array): string => {
    const path = join(directory, name);
    writeFileSync(path, content, { mode: 0o600 });
    return path;
  };
  const { key, cert, clientCa } = certificate;
  try {
    return SSLApp({
      key_file_name: file('key.pem', key),
      cert_file_name: file('cert.pem', cert),
      ...(clientCa && { ca_file_name: file('client-ca.pem', clientCa) }),
    });
  } catch (error) {
    throw new Error(`uWebSockets.js cannot use the certificate: ${(error as Error).message}`);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** @throws {Error} when {@link createSecureApp} would */
export function checkCertificate(certificate: ServerTls): void {
  createSecureApp(certificate).close();
}

function memoryDirectory(): string {
  try {
    accessSync('/dev/shm', constants.W_OK | constants.X_OK);
    return '/dev/shm';
  } catch {
    return tmpdir();
  }
}

/**
 * Routes that only clients with a certificate reach. The library verifies what a client shows and does not insist that
 * it shows any, so each request is asked for it: others are answered 400 before anything else looks at them.
 */
export function withClientCertificates(app: TemplatedApp): Routes {
  const routes: Routes = {
    any(path, handler) {
      app.any(path, (res, req) => (hasCertificate(res) ? handler(res, req) : refuse(res)));
      return app;
    },
    ws(path, behavior) {
      const { upgrade } = behavior;
      app.ws(path, {
        ...behavior,
        upgrade(res: HttpResponse, req: HttpRequest, context) {
          if (hasCertificate(res)) return upgrade!(res, req, context);
          refuse(res);
        },
      });
      return app;
    },
  };
  return routes;
}

const hasCertificate = (res: HttpResponse): boolean => res.getX509Certificate() !== '';

function refuse(res: HttpResponse): void {
  res
    .writeStatus('400 Bad Request')
    .writeHeader('Content-Type', 'text/plain; charset=utf-8')
    .end('a client certificate is required\n', true);
}
