import { bool, duration, int, list, secret, section, stringMap, strings, text } from '../fields.js';
import { tls } from './tls.js';

const statusToCodeTransforms = list(
  {
    status_code: int(0, 'HTTP status of the backend.', { min: 0, max: 999 }),
    to_error: section(
      {
        code: int(0, 'Error code; 0 means no error.', { min: 0 }),
        message: text('', 'Error message: ASCII, at most 123 characters.'),
        temporary: bool('Whether the client may try again.'),
      },
      'Error reply to the client.',
    ),
    to_disconnect: section(
      {
        code: int(0, 'Disconnect code; 0 means no disconnect.', { min: 0 }),
        reason: text('', 'Disconnect reason: ASCII, at most 123 characters.'),
      },
      'Disconnect of the client.',
    ),
  },
  'What an HTTP status other than 200 becomes: an error or a disconnect. Without a match it is error 100.',
);

const proxyHttp = section(
  {
    tls: tls('TLS to the backend.'),
    static_headers: stringMap('Headers added to every request.'),
    status_to_code_transforms: statusToCodeTransforms,
  },
  'Proxying over HTTP.',
);

const proxyGrpc = section(
  {
    tls: tls('TLS to the backend.'),
    credentials_key: text('', 'Metadata key added to every call.'),
    credentials_value: secret('Value of that key.'),
    compression: bool('Compresses calls by gzip.'),
    static_metadata: stringMap('Metadata added to every call.'),
  },
  'Proxying over gRPC.',
);

/** How the application backend is asked about an event; the same for every event. */
export const proxyFields = {
  endpoint: secret('Backend: an http:// or https:// URL, or grpc://host:port.'),
  timeout: duration('1s', 'Time the backend has to answer.'),
  http_headers: strings([], 'Headers of the client connection passed on.'),
  grpc_metadata: strings([], 'gRPC metadata of the client connection passed on.'),
  emulated_headers: strings([], 'Headers from the connect message of the client passed on; clients choose these.'),
  binary_encoding: bool('Passes payloads in base64.'),
  include_connection_meta: bool('Passes the meta object of the connection.'),
  http: proxyHttp,
  grpc: proxyGrpc,
};

export const proxy = (description: string) => section(proxyFields, description);

export const switchedProxy = (description: string) =>
  section({ enabled: bool('Turns the proxy on.'), ...proxyFields }, description);

/** Names of namespaces and proxies. */
export const proxies = list(
  { name: text('', 'Name that namespaces refer to; "default" is reserved.'), ...proxyFields },
  'Proxies by name, for namespaces that need their own.',
);
