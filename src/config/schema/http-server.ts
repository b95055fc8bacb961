import { bool, int, section, text } from '../fields.js';
import { tls, tlsAutocert } from './tls.js';

export const httpServer = section(
  {
    address: text('', 'Interface to listen on; empty means all.'),
    port: int(8000, 'TCP port to listen on; 0 takes any free port.', { min: 0, max: 65535 }),
    internal_address: text('', 'Interface of the internal endpoints (API, health, metrics).'),
    internal_port: text('', 'TCP port of the internal endpoints; empty means the same port as clients use.'),
    tls: tls('TLS of the listener.'),
    tls_autocert: tlsAutocert,
    tls_external: bool('Uses TLS on the external port only.'),
    internal_tls: tls('TLS of the internal port; when not enabled, `tls` applies.'),
    http3: section({ enabled: bool('Serves HTTP/3.') }, 'HTTP/3. Experimental.'),
    h2c_external: bool('Serves HTTP/2 without TLS on the external port; needs a separate internal port.'),
  },
  'The HTTP server.',
);
