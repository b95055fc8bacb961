import { bool, pem, section, strings, text } from '../fields.js';

/** TLS of one listener or of one outgoing connection; the same everywhere. */
export const tls = (description: string) =>
  section(
    {
      enabled: bool('Turns TLS on.'),
      cert_pem: pem('Own certificate'),
      key_pem: pem('Private key of the certificate'),
      server_ca_pem: pem('Certificate authority that the peer server is verified with, instead of the system ones'),
      client_ca_pem: pem('Certificate authority for client certificates; when set, clients must present one'),
      insecure_skip_verify: bool('Accepts any certificate of the peer. For tests only.'),
      server_name: text('', 'Host name expected in the certificate of the peer, when it differs from the address.'),
    },
    description,
  );

export const tlsAutocert = section(
  {
    enabled: bool('Obtains certificates from an ACME authority.'),
    host_whitelist: strings([], 'Host names that certificates may be asked for.'),
    cache_dir: text('', 'Directory that certificates are kept in.'),
    email: text('', 'Contact address given to the authority.'),
    server_name: text('', 'Host name assumed for clients that send none.'),
    http: bool('Answers HTTP-01 challenges.'),
    http_addr: text(':80', 'Address that HTTP-01 challenges are answered on.'),
    directory_url: text(
      'https://acme-v02.api.letsencrypt.org/directory',
      "ACME directory of the authority; Let's Encrypt's by default. An option of Gyre's own.",
    ),
  },
  'Automatic certificates by ACME.',
);
