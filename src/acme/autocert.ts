/**
 * Keeps a certificate for the configured names: from the cache, or from the authority, and a new one in time.
 *
 * One certificate has all names. Centrifugo asks for one per name when a client first wants it; the socket library cannot
 * let a handshake wait.
 */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { domainToASCII } from 'node:url';
import type { Log } from '../observe/log.js';
import type { Cache } from './cache.js';
import type { Issued } from './issuer.js';

/** The time left at which a new certificate is asked for: this, or a third of its life if that is shorter. */
const RENEW_BEFORE_MS = 30 * 24 * 3600 * 1000;
/** Nodes that share a cache do so one after another: the first one's certificate is enough. */
const RENEW_SPREAD = 0.05;
/** Longest sleep: the clock may be set, and another node may have put a certificate into the cache. */
const LOOK_MS = 3600 * 1000;
/** After a failure; four times as long after each further one, up to {@link LOOK_MS}. Authorities count failures. */
const RETRY_MS = 60 * 1000;
const PEM_BLOCK = /-----BEGIN ([A-Z0-9 ]+)-----[^-]*-----END \1-----\n?/g;

export interface AutocertDeps {
  readonly cache: Cache;
  readonly issue: (hosts: readonly string[]) => Promise<Issued>;
  readonly now: () => number;
  readonly log: Pick<Log, 'info' | 'warn' | 'error'>;
}

export class Autocert {
  private readonly hosts: readonly string[];
  private current: Issued | undefined;
  private readonly spread = Math.random() * RENEW_SPREAD;
  private failures = 0;
  private timer: NodeJS.Timeout | undefined;
  private closed = false;

  constructor(
    hosts: readonly string[],
    private readonly deps: AutocertDeps,
  ) {
    this.hosts = hosts.map(domainToASCII);
  }

  /** The certificate in the cache, if it can be used. */
  cached(): Issued | undefined {
    const { cache, log, now } = this.deps;
    try {
      const text = cache.get(this.hosts[0]!);
      const found = text === undefined ? undefined : split(text);
      return found !== undefined && isGood(found, this.hosts, now()) ? found : undefined;
    } catch (error) {
      log.warn(`the cached certificate cannot be used: ${(error as Error).message}`);
      return undefined;
    }
  }

  /**
   * Runs until {@link close}.
   *
   * @param use  takes each certificate; may throw when it cannot be used
   */
  run(use: (issued: Issued) => void): void {
    void this.step(use).then((waitMs) => {
      if (this.closed) return;
      this.timer = setTimeout(() => this.run(use), waitMs);
    });
  }

  close(): void {
    this.closed = true;
    clearTimeout(this.timer);
  }

  /** @returns when to look again, in ms */
  private async step(use: (issued: Issued) => void): Promise<number> {
    const { log } = this.deps;
    try {
      this.take(this.cached(), use);
      const early = this.untilRenewal();
      if (early > 0) return Math.min(early, LOOK_MS);
      log.info({ hosts: this.hosts }, 'asking the authority for a certificate');
      const issued = await this.deps.issue(this.hosts);
      if (this.closed) return 0;
      this.take(issued, use);
      this.failures = 0;
      this.keep(issued);
      const next = this.untilRenewal();
      return next > 0 ? Math.min(next, LOOK_MS) : RETRY_MS;
    } catch (error) {
      const waitMs = Math.min(RETRY_MS * 4 ** this.failures, LOOK_MS);
      this.failures += 1;
      const { message } = error as Error;
      log.error({ hosts: this.hosts, retry_ms: waitMs }, `no certificate from the authority: ${message}`);
      return waitMs;
    }
  }

  private take(issued: Issued | undefined, use: (issued: Issued) => void): void {
    if (issued === undefined || expiry(issued) <= (this.current ? expiry(this.current) : 0)) return;
    use(issued);
    this.current = issued;
  }

  /** Without it the certificate is in use all the same, and asked for again at the next start. */
  private keep({ key, cert }: Issued): void {
    try {
      this.deps.cache.put(this.hosts[0]!, key + cert);
    } catch (error) {
      this.deps.log.error(`the certificate cannot be kept in the cache: ${(error as Error).message}`);
    }
  }

  private untilRenewal(): number {
    if (this.current === undefined) return 0;
    const to = expiry(this.current);
    const from = Date.parse(new X509Certificate(this.current.cert).validFrom);
    const before = Math.min(RENEW_BEFORE_MS, (to - from) / 3) * (1 - this.spread);
    return to - before - this.deps.now();
  }
}

const expiry = ({ cert }: Issued): number => Date.parse(new X509Certificate(cert).validTo);

function split(text: string): Issued {
  const [key = '', ...certificates] = text.match(PEM_BLOCK) ?? [];
  return { key, cert: certificates.join('') };
}

function isGood({ key, cert }: Issued, hosts: readonly string[], now: number): boolean {
  const certificate = new X509Certificate(cert);
  const inTime = Date.parse(certificate.validFrom) <= now && now < Date.parse(certificate.validTo);
  return (
    inTime && certificate.checkPrivateKey(createPrivateKey(key)) && hosts.every((host) => certificate.checkHost(host))
  );
}
