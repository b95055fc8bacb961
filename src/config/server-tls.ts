import { X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import type { Report } from './check/report.js';
import type { TlsConfig } from './config.js';
import { ConfigError } from './config-error.js';
import { loadPem } from './pem.js';

/** What a server needs for TLS, as PEM: checked, so that it can be used. Holds a private key: never to be logged. */
export interface ServerTls {
  readonly key: Uint8Array;
  /** The server's certificate, followed by those that lead from it to a known authority. */
  readonly cert: Uint8Array;
  /** Present when clients must show a certificate, and one of these authorities must have issued it (mutual TLS). */
  readonly clientCa?: Uint8Array;
}

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g;

/**
 * A `tls` section as a server needs it; undefined when it is off. Files are read anew at each call. TLS 1.2 is the
 * lowest version that a server should offer (Centrifugo: TLSConfig.ToGoTLSConfig).
 *
 * @param at  where the section is in the configuration, for messages
 * @throws ConfigError with all that is missing or cannot be used; it shows no content
 */
export function serverTls(section: TlsConfig, at: string): ServerTls | undefined {
  const problems: string[] = [];
  const tls = readServerTls(section, at, (where, problem) => problems.push(`${where}: ${problem}`));
  if (problems.length > 0) throw new ConfigError(problems);
  return tls;
}

/** As {@link serverTls}, but reports what is missing or cannot be used. */
export function readServerTls(section: TlsConfig, at: string, report: Report): ServerTls | undefined {
  if (!section.enabled) return undefined;
  let complete = true;
  const load = (key: 'cert_pem' | 'key_pem' | 'client_ca_pem'): Buffer => {
    try {
      return Buffer.from(loadPem(section[key]), 'latin1');
    } catch (error) {
      complete = false;
      report(`${at}.${key}`, section[key] === '' ? 'must be set' : (error as Error).message);
      return Buffer.alloc(0);
    }
  };
  const pair = { key: load('key_pem'), cert: load('cert_pem') };
  const tls = section.client_ca_pem === '' ? pair : { ...pair, clientCa: load('client_ca_pem') };
  if (complete) checkUsable(tls, at, report);
  return tls;
}

function checkUsable({ key, cert, clientCa }: ServerTls, at: string, report: Report): void {
  // OpenSSL's reasons name no content: "key values mismatch", "bad end line".
  const attempt = (where: string, use: () => unknown): void => {
    try {
      use();
    } catch (error) {
      report(where, `cannot be used: ${(error as Error).message}`);
    }
  };
  attempt(at, () => createSecureContext({ key: Buffer.from(key), cert: Buffer.from(cert) }));
  if (clientCa !== undefined) attempt(`${at}.client_ca_pem`, () => parseCertificates(clientCa));
}

/** @throws Error when there is none, or one that is damaged. */
function parseCertificates(pem: Uint8Array): X509Certificate[] {
  const found = Buffer.from(pem).toString('latin1').match(CERTIFICATE) ?? [];
  if (found.length === 0) throw new Error('there is no certificate in it');
  return found.map((text) => new X509Certificate(text));
}

/** When a server's certificate becomes invalid, in ms since 1970. */
export const expiresAtMs = (cert: Uint8Array): number => Date.parse(new X509Certificate(cert).validTo);

/** Whether a server with one need not be given the other. */
export const isSameTls = (a: ServerTls, b: ServerTls): boolean =>
  (['key', 'cert', 'clientCa'] as const).every((part) => {
    const [one, other] = [a[part], b[part]];
    return one === undefined || other === undefined ? one === other : Buffer.compare(one, other) === 0;
  });
