import { bool, choice, int, secret, section, text } from '../fields.js';
import { tls } from './tls.js';

const errorMode = choice(
  ['', 'transport'],
  '',
  'Where an error of the API is: "" in the body, "transport" in the status.',
);
const maxReceive = int(0, 'Largest message received, bytes; 0 means 4 MiB.', { min: 0 });
const port = (byDefault: number) => int(byDefault, 'TCP port to listen on.', { min: 0, max: 65535 });

export const httpApi = section(
  {
    disabled: bool('Turns the API off.'),
    handler_prefix: text('/api', 'URL path.'),
    key: secret('Key that requests must carry: `X-API-Key: key` or `Authorization: apikey key`.'),
    error_mode: errorMode,
    external: bool('Serves the API on the external port too.'),
    insecure: bool('Asks for no key.'),
  },
  'Server API over HTTP.',
);

export const grpcApi = section(
  {
    enabled: bool('Turns the API on.'),
    error_mode: errorMode,
    address: text('', 'Interface to listen on; empty means all.'),
    port: port(10000),
    key: secret('Key that calls must carry in the metadata `authorization: apikey key`.'),
    tls: tls('TLS of the listener.'),
    reflection: bool('Serves gRPC reflection.'),
    max_receive_message_size: maxReceive,
  },
  'Server API over gRPC.',
);

export const uniGrpc = section(
  {
    enabled: bool('Turns the transport on.'),
    address: text('', 'Interface to listen on; empty means all.'),
    port: port(11000),
    max_receive_message_size: maxReceive,
    tls: tls('TLS of the listener.'),
  },
  'Unidirectional gRPC.',
);

export const admin = section(
  {
    enabled: bool('Turns the web interface on.'),
    handler_prefix: text('', 'URL path.'),
    password: secret('Password to sign in.'),
    secret: secret('Key that admin sessions are signed with.'),
    insecure: bool('Asks for no password.'),
    web_path: text('', 'Directory with another web interface to serve.'),
    web_proxy_address: text('', 'Address of a web interface to pass requests on to.'),
    external: bool('Serves the web interface on the external port too.'),
  },
  'Admin web interface.',
);
