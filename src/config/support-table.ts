/**
 * How far an option is supported. `effect` is what a value other than the default does: the server does not start, it
 * warns, or nothing, where another option that must be on is refused already.
 */
export type Support =
  | { status: 'supported'; only?: readonly unknown[]; reason: string }
  | { status: 'not yet'; effect: 'refuse' | 'warn' | 'none'; reason: string }
  | { status: 'never'; reason: string };

const supported: Support = { status: 'supported', reason: '' };
const only = (reason: string, ...values: unknown[]): Support => ({ status: 'supported', only: values, reason });
/** The server does not start: running without it would not be what was asked for. */
const notYet = (reason: string): Support => ({ status: 'not yet', effect: 'refuse', reason });
/** The server starts with a warning: clients that ask for it are refused, or nothing uses it. */
const warned = (reason: string): Support => ({ status: 'not yet', effect: 'warn', reason });
const unused = (reason: string): Support => ({ status: 'not yet', effect: 'none', reason });
const never = (reason: string): Support => ({ status: 'never', reason });

const notTheEngine = unused('only memory and Redis are');
const outgoing = never('these connections are outgoing: no client connects');
const incoming = never('these connections are incoming: there is no certificate of a server to check');
const noReplicas = never('nothing is read from replicas, which may be behind; nor does Centrifugo 6.9');
const unusedProxy = warned('nothing that is supported asks this proxy');
const buffers = never('uWebSockets.js manages its buffers itself');

/** What does nothing unless its `enabled` is on: only the switch decides. */
const switched = (section: string, support: Support): Record<string, Support> => ({
  [section]: unused(support.reason),
  [`${section}.enabled`]: support,
});

/** The longest path that an option's path starts with decides. The items of a list are written `[]`. */
export const supportTable: Readonly<Record<string, Support>> = {
  http_server: supported,
  ...listenerTls('http_server.tls'),
  ...listenerTls('http_server.internal_tls'),
  'http_server.http3': notYet('no HTTP/3 server for Node.js is ready for production'),
  'http_server.h2c_external': notYet('clients connect over HTTP/1.1'),
  log: supported,
  engine: supported,
  ...redis('engine.redis'),
  broker: notTheEngine,
  'broker.enabled': supported,
  'broker.type': only('only memory and Redis are', 'memory', 'redis'),
  'broker.redis': supported,
  ...redis('broker.redis'),
  presence_manager: supported,
  ...redis('presence_manager.redis'),
  map_broker: unused('map channels are not'),
  'map_broker.type': only('map channels are not', 'memory'),
  ...switched('controller', notYet('there is one node')),
  shared_poll: warned('subscriptions of this kind are refused'),
  client: supported,
  ...proxy('client.proxy.connect'),
  ...proxy('client.proxy.refresh'),
  channel: supported,
  'channel.proxy': unusedProxy,
  ...proxy('channel.proxy.subscribe'),
  ...proxy('channel.proxy.publish'),
  ...proxy('channel.proxy.sub_refresh'),
  ...proxy('channel.proxy.subscribe_stream'),
  ...channelOptions('channel.without_namespace'),
  ...channelOptions('channel.namespaces[]'),
  rpc: supported,
  ...proxy('rpc.proxy'),
  proxies: supported,
  ...proxy('proxies[]'),
  http_api: supported,
  grpc_api: supported,
  ...listenerTls('grpc_api.tls'),
  consumers: unused('no consumer runs'),
  ...switched('consumers[]', notYet('no consumer runs')),
  websocket: supported,
  'websocket.read_buffer_size': buffers,
  'websocket.write_buffer_size': buffers,
  'websocket.use_write_buffer_pool': buffers,
  sse: supported,
  http_stream: supported,
  emulation: supported,
  ...switched('webtransport', notYet('it needs HTTP/3, and no server for Node.js is ready for production')),
  uni_sse: supported,
  uni_http_stream: supported,
  uni_websocket: supported,
  'uni_websocket.read_buffer_size': buffers,
  'uni_websocket.write_buffer_size': buffers,
  'uni_websocket.use_write_buffer_pool': buffers,
  uni_grpc: supported,
  ...listenerTls('uni_grpc.tls'),
  ...switched('admin', notYet('there is no web interface')),
  ...switched('prometheus', warned('no metrics are exported')),
  health: supported,
  swagger: supported,
  ...switched('debug', notYet('profile with node --cpu-prof instead')),
  init: supported,
  ...switched('opentelemetry', notYet('no traces are exported')),
  ...switched('graphite', notYet('no metrics are exported')),
  usage_stats: never('no usage statistics are sent'),
  node: supported,
  'node.info_metrics_aggregate_interval': warned('there are no metrics'),
  shutdown: supported,
  workers: supported,
  dev: supported,
  pid_file: supported,
  enable_unreleased_features: never('there are none'),
};

function listenerTls(at: string): Record<string, Support> {
  return {
    [`${at}.server_ca_pem`]: incoming,
    [`${at}.insecure_skip_verify`]: incoming,
    [`${at}.server_name`]: incoming,
  };
}

function redis(at: string): Record<string, Support> {
  return {
    [`${at}.replica_client`]: noReplicas,
    [`${at}.tls.client_ca_pem`]: outgoing,
    [`${at}.sentinel_tls.client_ca_pem`]: outgoing,
  };
}

function proxy(at: string): Record<string, Support> {
  return {
    [at]: supported,
    [`${at}.http.tls.client_ca_pem`]: outgoing,
    [`${at}.grpc.tls.client_ca_pem`]: outgoing,
  };
}

function channelOptions(at: string): Record<string, Support> {
  const otherType = warned('subscriptions of this kind are refused');
  const mapPresence = notYet('map channels are not');
  return {
    [`${at}.map_clients_presence_channel_prefix`]: mapPresence,
    [`${at}.map_users_presence_channel_prefix`]: mapPresence,
    [`${at}.subscription_type`]: only('subscriptions of another kind are refused', '', 'stream'),
    [`${at}.map`]: otherType,
    [`${at}.shared_poll`]: otherType,
  };
}

/** How far the option at a plain path (`channel.namespaces[].presence`) is supported, and the rule that says so. */
export function supportOf(path: string): { rule: string; support: Support } {
  for (let rule = path; rule !== ''; rule = parentOf(rule)) {
    const support = supportTable[rule];
    if (support !== undefined) return { rule, support };
  }
  throw new Error(`no support is recorded for the option ${path}`);
}

const parentOf = (path: string): string =>
  path.endsWith('[]') ? path.slice(0, -2) : path.slice(0, Math.max(0, path.lastIndexOf('.')));
