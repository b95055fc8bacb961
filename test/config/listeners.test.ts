import { expect, test } from 'vitest';
import { configSchema } from '../../src/config/config.js';
import { listenersOf, unusedTls } from '../../src/config/listeners.js';

const on = { enabled: true };
/** Each as `what address:port TLS`. */
const shown = (http_server: object) =>
  listenersOf(configSchema.parse({ http_server })).map(({ external, internal, address, port, tls }) => {
    const what = external && internal ? 'both' : external ? 'external' : 'internal';
    return `${what} ${address}:${port} ${tls ?? 'plain'}`;
  });

test.each<[what: string, http: object, listeners: string[]]>([
  ['one by default', {}, ['both :8000 plain']],
  ['one with TLS', { tls: on }, ['both :8000 tls']],
  ['one where the internal address is the same', { internal_port: '8000', internal_address: '' }, ['both :8000 plain']],
  ['issued certificates go first', { tls: on, tls_autocert: on }, ['both :8000 tls_autocert']],
  [
    'the address is the same unless there is another',
    { address: '10.0.0.1', internal_port: '9000' },
    ['external 10.0.0.1:8000 plain', 'internal 10.0.0.1:9000 plain'],
  ],
  [
    'another address is enough',
    { address: '10.0.0.1', internal_address: '127.0.0.1' },
    ['external 10.0.0.1:8000 plain', 'internal 127.0.0.1:8000 plain'],
  ],
  ['TLS on both', { tls: on, internal_port: '9000' }, ['external :8000 tls', 'internal :9000 tls']],
  [
    'TLS outside only',
    { tls: on, tls_external: true, internal_port: '9000' },
    ['external :8000 tls', 'internal :9000 plain'],
  ],
  [
    'TLS inside only',
    { internal_tls: on, internal_port: '9000' },
    ['external :8000 plain', 'internal :9000 internal_tls'],
  ],
  [
    'TLS of their own',
    { tls_autocert: on, tls_external: true, internal_tls: on, internal_port: '9000' },
    ['external :8000 tls_autocert', 'internal :9000 internal_tls'],
  ],
  ['internal TLS needs an internal port', { internal_tls: on, tls: on }, ['both :8000 tls']],
  ['any free port asked for twice is two', { port: 0, internal_port: '0' }, ['external :0 plain', 'internal :0 plain']],
])('%s', (_, http, listeners) => {
  expect(shown(http)).toEqual(listeners);
});

test('what is on and not used is named', () => {
  const unused = (http_server: object) => unusedTls(configSchema.parse({ http_server }));
  expect(unused({ tls: on, internal_tls: on, internal_port: '9000' })).toEqual([]);
  expect(unused({ tls_autocert: on })).toEqual([]);
  expect(unused({ tls: on, tls_autocert: on, internal_tls: on })).toEqual([
    'http_server.tls: not used: tls_autocert goes first',
    'http_server.internal_tls: not used: there is no internal port',
  ]);
});
