import { type ConnectionOptions, createSecureContext } from 'node:tls';
import type { Report } from './check/report.js';
import type { TlsConfig } from './config.js';
import { loadPem } from './pem.js';

/** TLS without anything said about it: the certificate authorities of the system, TLS 1.2 or later. */
export const DEFAULT_TLS: ConnectionOptions = { minVersion: 'TLSv1.2' };

const PEM_KEYS = ['cert_pem', 'key_pem', 'server_ca_pem'] as const;

/**
 * A `tls` section as an outgoing connection needs it; undefined when it is off. What cannot be used is reported, so that
 * it is not found out at the first connection.
 */
export function clientTls(tls: TlsConfig, at: string, report: Report): ConnectionOptions | undefined {
  if (!tls.enabled) return undefined;
  const pem: Partial<Record<(typeof PEM_KEYS)[number], string>> = {};
  for (const key of PEM_KEYS) {
    if (tls[key] === '') continue;
    try {
      pem[key] = loadPem(tls[key]);
    } catch (error) {
      report(`${at}.${key}`, (error as Error).message);
    }
  }
  if ((tls.cert_pem === '') !== (tls.key_pem === '')) report(at, 'needs both cert_pem and key_pem, or neither');
  const options: ConnectionOptions = { ...DEFAULT_TLS, rejectUnauthorized: !tls.insecure_skip_verify };
  if (tls.server_name !== '') options.servername = tls.server_name;
  if (pem.server_ca_pem !== undefined) options.ca = pem.server_ca_pem;
  if (pem.cert_pem !== undefined && pem.key_pem !== undefined) {
    options.cert = pem.cert_pem;
    options.key = pem.key_pem;
  }
  checkUsable(options, at, report);
  return options;
}

function checkUsable(options: ConnectionOptions, at: string, report: Report): void {
  try {
    createSecureContext(options);
  } catch (error) {
    // OpenSSL's reasons name no content: "key values mismatch", "bad end line".
    report(at, `the certificates or the key cannot be used: ${(error as Error).message}`);
  }
}
