import { z } from 'zod';
import { bool, section, text } from './fields.js';
import { admin, grpcApi, httpApi, uniGrpc } from './schema/api.js';
import { channel, sharedPoll } from './schema/channel.js';
import { client } from './schema/client.js';
import { consumers } from './schema/consumers.js';
import { broker, controller, engine, mapBroker, presenceManager } from './schema/engine.js';
import { httpServer } from './schema/http-server.js';
import {
  debug,
  graphite,
  health,
  init,
  log,
  node,
  opentelemetry,
  prometheus,
  shutdown,
  swagger,
  usageStats,
} from './schema/operations.js';
import { proxies } from './schema/proxy.js';
import { rpc } from './schema/rpc.js';
import {
  emulation,
  httpStream,
  sse,
  uniHttpStream,
  uniSse,
  uniWebsocket,
  websocket,
  webtransport,
} from './schema/transports.js';
import { dev, workers } from './schema/workers.js';

/** The whole configuration: types, defaults, descriptions, checks and the published JSON Schema all come from here. */
export const configSchema = section(
  {
    $schema: z.string().optional().describe('JSON Schema of this file, for editors.'),
    http_server: httpServer,
    log,
    engine,
    broker,
    presence_manager: presenceManager,
    map_broker: mapBroker,
    controller,
    shared_poll: sharedPoll,
    client,
    channel,
    rpc,
    proxies,
    http_api: httpApi,
    grpc_api: grpcApi,
    consumers,
    websocket,
    sse,
    http_stream: httpStream,
    webtransport,
    uni_sse: uniSse,
    uni_http_stream: uniHttpStream,
    uni_websocket: uniWebsocket,
    uni_grpc: uniGrpc,
    emulation,
    admin,
    prometheus,
    health,
    swagger,
    debug,
    init,
    opentelemetry,
    graphite,
    usage_stats: usageStats,
    node,
    shutdown,
    workers,
    dev,
    pid_file: text('', 'File to write the process id to; empty means none.'),
    enable_unreleased_features: bool('Accepted for compatibility: Gyre has no unreleased features.'),
  },
  'Gyre configuration.',
);

/** A complete, checked configuration. Keys are as in the file; durations are milliseconds. */
export type Config = z.output<typeof configSchema>;
export type ClientConfig = Config['client'];
export type TokenConfig = ClientConfig['token'];
export type ChannelConfig = Config['channel'];
export type ChannelOptions = ChannelConfig['without_namespace'];
export type ChannelNamespace = ChannelConfig['namespaces'][number];
export type ProxyConfig = Config['rpc']['proxy'];
export type NamedProxyConfig = Config['proxies'][number];
export type TlsConfig = Config['http_server']['tls'];
export type HttpServerConfig = Config['http_server'];
export type HttpApiConfig = Config['http_api'];
export type GrpcApiConfig = Config['grpc_api'];
export type WebSocketConfig = Config['websocket'];
export type LogConfig = Config['log'];
export type WorkersConfig = Config['workers'];

/** The configuration that an empty file gives; a new copy at each call. */
export const defaultConfig = (): Config => configSchema.parse({});
