/**
 * The certificates of the listeners on the main thread: read at the start, and again when their files may have changed.
 * One that cannot be used is told in the log, and the former stays.
 */
import type { HttpServerConfig } from '../config/config.js';
import type { Listener } from '../config/listeners.js';
import { expiresAtMs, type ServerTls, serverTls } from '../config/server-tls.js';
import type { Log } from '../observe/log.js';
import { checkCertificate } from '../transport/secure-app.js';
import type { Certificates } from './messages.js';

/** How often the files are looked at. Reading beats watching: volumes of secrets are replaced by renaming links. */
const FILES_CHECK_MS = 5_000;

export interface CertificatesDeps {
  readonly listeners: readonly Listener[];
  readonly log: Pick<Log, 'info' | 'warn' | 'error'>;
  /** What `tls_autocert` has from former times. */
  readonly issued: ServerTls | undefined;
  /** They are other ones now. */
  readonly changed: (certificates: Certificates) => void;
}

export class CertificateStore {
  #current: Certificates;
  #issued: ServerTls | undefined;
  /** The last problem, so that it is told once. */
  #told = '';
  #timer: NodeJS.Timeout | undefined;

  /** @throws {Error} when one of them cannot be used */
  constructor(
    private http: HttpServerConfig,
    private readonly deps: CertificatesDeps,
  ) {
    this.#issued = deps.issued;
    this.#current = this.#read();
    for (const certificate of new Set(this.#current)) this.#check(certificate);
  }

  get current(): Certificates {
    return this.#current;
  }

  /** Look at the files from now on. */
  watch(): void {
    this.#timer ??= setInterval(() => this.refresh(), FILES_CHECK_MS).unref();
  }

  /** Another configuration. Whether a listener has TLS stays as it is. */
  reload(http: HttpServerConfig): void {
    this.http = http;
    this.#told = '';
    this.refresh();
  }

  /** What an authority has issued for `tls_autocert`. @throws {Error} when it cannot be used */
  issued(certificate: ServerTls): void {
    this.#check(certificate);
    this.#issued = certificate;
    this.refresh();
  }

  refresh(): void {
    try {
      const fresh = this.#read();
      if (fresh.every((certificate, i) => isSame(certificate, this.#current[i]))) return;
      for (const certificate of new Set(fresh)) this.#check(certificate);
      this.#current = fresh;
      this.#told = '';
      this.deps.changed(fresh);
      this.deps.log.info('new connections get new certificates');
    } catch (error) {
      const { message } = error as Error;
      if (message !== this.#told) this.deps.log.error(`${message}. The former certificates stay`);
      this.#told = message;
    }
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #read(): Certificates {
    const read = new Map<string, Certificates[number]>();
    return this.deps.listeners.map(({ tls }, i) => {
      if (tls === undefined) return undefined;
      if (tls === 'tls_autocert') return this.#issued ?? 'awaited';
      if (!read.has(tls)) read.set(tls, serverTls(this.http[tls], `http_server.${tls}`) ?? this.#current[i]);
      return read.get(tls);
    });
  }

  #check(certificate: Certificates[number]): void {
    if (certificate === undefined || certificate === 'awaited') return;
    checkCertificate(certificate);
    const expires = expiresAtMs(certificate.cert);
    if (expires < Date.now())
      this.deps.log.warn(
        `a certificate has expired: clients refuse it. It was valid until ${new Date(expires).toISOString()}`,
      );
  }
}

function isSame(a: Certificates[number], b: Certificates[number]): boolean {
  if (typeof a !== 'object' || typeof b !== 'object') return a === b;
  return (['key', 'cert', 'clientCa'] as const).every((part) => {
    const [one, other] = [a[part], b[part]];
    return one === undefined || other === undefined ? one === other : Buffer.compare(one, other) === 0;
  });
}
