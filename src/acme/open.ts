import type { HttpServerConfig } from '../config/config.js';
import { parseListenAddress } from '../config/listen-address.js';
import type { ServerTls } from '../config/server-tls.js';
import { systemClock } from '../lib/clock.js';
import type { Log } from '../observe/log.js';
import { Autocert } from './autocert.js';
import { DirectoryCache, MemoryCache } from './cache.js';
import { Challenges } from './challenges.js';
import { type Issued, Issuer } from './issuer.js';

export interface Issuing {
  /** From a former time. */
  readonly cached: ServerTls | undefined;
  /** Hand over each certificate from now on. `use` may throw when one cannot be used. */
  run(use: (certificate: ServerTls) => void): void;
  close(): void;
}

const inBytes = ({ key, cert }: Issued): ServerTls => ({ key: Buffer.from(key), cert: Buffer.from(cert) });

/**
 * Certificates by `http_server.tls_autocert`; undefined when it is off. Challenges are answered from now on.
 *
 * @throws {Error} in one line when the cache cannot be used, or the address of challenges not listened on
 */
export async function openIssuing(options: HttpServerConfig['tls_autocert'], log: Log): Promise<Issuing | undefined> {
  if (!options.enabled) return undefined;
  if (options.cache_dir === '')
    log.warn(
      'http_server.tls_autocert.cache_dir is not set: each start asks for a new certificate, which authorities limit',
    );
  const cache = options.cache_dir === '' ? new MemoryCache() : new DirectoryCache(options.cache_dir);
  const challenges = new Challenges(cache);
  const port = await challenges.listen(parseListenAddress(options.http_addr)!);
  log.info({ port }, `ACME challenges are answered on port ${port}`);
  const issuer = new Issuer({ directoryUrl: options.directory_url, email: options.email }, cache, challenges);
  const issue = (hosts: readonly string[]) => issuer.issue(hosts);
  const autocert = new Autocert(options.host_whitelist, { cache, issue, now: systemClock.now, log });
  const cached = autocert.cached();
  return {
    cached: cached && inBytes(cached),
    run: (use) => autocert.run((issued) => use(inBytes(issued))),
    close() {
      autocert.close();
      challenges.close();
    },
  };
}
