import type { Config } from '../config.js';
import { certificateSources, tlsSection } from '../listeners.js';
import { readServerTls } from '../server-tls.js';
import { checkAutocert } from './autocert.js';
import type { Report } from './report.js';

const MAX_PORT = 65_535;

export function checkHttpServer(config: Config, report: Report): void {
  const { http_server: http } = config;
  checkInternalPort(http.internal_port, report);
  checkH2c(config, report);
  checkAutocert(config, report);
}

export function checkCertificates(config: Config, report: Report): void {
  for (const source of certificateSources(config))
    if (source !== 'tls_autocert') readServerTls(...tlsSection(config, source), report);
}

function checkInternalPort(port: string, report: Report): void {
  if (port !== '' && !(/^\d+$/.test(port) && Number(port) <= MAX_PORT))
    report('http_server.internal_port', `${JSON.stringify(port)} is not a port from 0 to ${MAX_PORT}`);
}

function checkH2c({ http_server: http }: Config, report: Report): void {
  if (!http.h2c_external) return;
  if (http.internal_port === '' || http.internal_port === String(http.port)) {
    report('http_server.h2c_external', 'needs an internal_port that differs from port');
  }
  if (http.tls.enabled) report('http_server.h2c_external', 'cannot be used together with tls');
}
