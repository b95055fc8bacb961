/**
 * The certificates of all servers on the main thread: read at the start, and again when their files may have changed.
 * One that cannot be used is told in the log, and the former stays.
 */
import type { Config } from '../config/config.js';
import { type CertificateSource, tlsSection } from '../config/listeners.js';
import { expiresAtMs, type ServerTls, serverTls } from '../config/server-tls.js';
import type { Log } from '../observe/log.js';
import { type AppCertificate, checkCertificate, isSameCertificate } from '../transport/secure-app.js';
import type { Certificates } from './messages.js';

/** How often the files are looked at. Reading beats watching: volumes of secrets are replaced by renaming links. */
const FILES_CHECK_MS = 5_000;

export interface CertificatesDeps {
  /** Of those that something is served with. */
  readonly sources: readonly CertificateSource[];
  readonly log: Pick<Log, 'info' | 'warn' | 'error'>;
  /** What `tls_autocert` has from former times. */
  readonly issued: ServerTls | undefined;
  /** They are other ones now. */
  readonly changed: (certificates: Certificates) => void;
}

export class CertificateStore {
  #current: Certificates = {};
  #issued: ServerTls | undefined;
  /** The last problem, so that it is told once. */
  #told = '';
  #timer: NodeJS.Timeout | undefined;

  /** @throws {Error} when one of them cannot be used */
  constructor(
    private config: Config,
    private readonly deps: CertificatesDeps,
  ) {
    this.#issued = deps.issued;
    this.#current = this.#read();
    this.#checkAll(this.#current);
  }

  get current(): Certificates {
    return this.#current;
  }

  /** Look at the files from now on. */
  watch(): void {
    this.#timer ??= setInterval(() => this.refresh(), FILES_CHECK_MS).unref();
  }

  /** Another configuration. What is served with TLS stays as it is. */
  reload(config: Config): void {
    this.config = config;
    this.#told = '';
    this.refresh();
  }

  /** What an authority has issued for `tls_autocert`. @throws {Error} when it cannot be used */
  issued(certificate: ServerTls): void {
    this.#check('tls_autocert', certificate);
    this.#issued = certificate;
    this.refresh();
  }

  refresh(): void {
    try {
      const fresh = this.#read();
      if (this.deps.sources.every((source) => isSameCertificate(fresh[source], this.#current[source]))) return;
      this.#checkAll(fresh);
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
    return Object.fromEntries(this.deps.sources.map((source) => [source, this.#readOne(source)]));
  }

  #readOne(source: CertificateSource): AppCertificate | undefined {
    if (source === 'tls_autocert') return this.#issued ?? 'awaited';
    return serverTls(...tlsSection(this.config, source)) ?? this.#current[source];
  }

  #checkAll(certificates: Certificates): void {
    for (const source of this.deps.sources) this.#check(source, certificates[source]);
  }

  #check(source: CertificateSource, certificate: AppCertificate | undefined): void {
    if (certificate === undefined || certificate === 'awaited') return;
    if (source !== 'grpc_api' && source !== 'uni_grpc') checkCertificate(certificate);
    const expires = expiresAtMs(certificate.cert);
    if (expires < Date.now())
      this.deps.log.warn(
        `a certificate has expired: clients refuse it. It was valid until ${new Date(expires).toISOString()}`,
      );
  }
}
