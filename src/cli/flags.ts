import type { Command } from 'commander';

/** Options of the configuration that are flags of the server too, named by their path. */
const TEXT: readonly [flag: string, description: string][] = [
  ['-a, --http_server.address <address>', 'interface to listen on'],
  ['-p, --http_server.port <port>', 'port to listen on'],
  ['--http_server.internal_address <address>', 'interface of the internal endpoints'],
  ['--http_server.internal_port <port>', 'port of the internal endpoints'],
  ['--pid_file <file>', 'file to write the process id to'],
  ['--engine.type <type>', 'engine: memory or redis'],
  ['--broker.type <type>', 'broker: memory, redis, nats or postgres'],
  ['--presence_manager.type <type>', 'presence manager: memory or redis'],
  ['--map_broker.type <type>', 'map broker: memory, redis or postgres'],
  ['--log.level <level>', 'trace, debug, info, warn, error, fatal or none'],
  ['--log.file <file>', 'file to log to'],
  ['--grpc_api.port <port>', 'port of the gRPC API'],
  ['--uni_grpc.port <port>', 'port of unidirectional gRPC'],
];

const SWITCHES: readonly [path: string, description: string][] = [
  ['broker.enabled', 'use a broker apart from the engine'],
  ['presence_manager.enabled', 'use a presence manager apart from the engine'],
  ['debug.enabled', 'serve profiling endpoints'],
  ['admin.enabled', 'serve the admin web interface'],
  ['admin.external', 'serve the admin web interface on the external port'],
  ['admin.insecure', 'ask for no admin password'],
  ['prometheus.enabled', 'serve metrics'],
  ['swagger.enabled', 'serve the API description'],
  ['health.enabled', 'serve the health check'],
  ['uni_websocket.enabled', 'serve unidirectional WebSocket'],
  ['uni_sse.enabled', 'serve unidirectional Server-Sent Events'],
  ['uni_http_stream.enabled', 'serve unidirectional HTTP streaming'],
  ['sse.enabled', 'serve bidirectional Server-Sent Events'],
  ['http_stream.enabled', 'serve bidirectional HTTP streaming'],
  ['init.enabled', 'serve the connection init endpoint'],
  ['client.insecure', 'let everyone connect and do everything; never in production'],
  ['http_api.insecure', 'ask for no API key'],
  ['http_api.external', 'serve the API on the external port'],
  ['grpc_api.enabled', 'serve the gRPC API'],
  ['uni_grpc.enabled', 'serve unidirectional gRPC'],
];

/** Adds the flags to a command; those given are the keys of its options, without defaults. */
export function addServerFlags(command: Command): Command {
  for (const [flag, description] of TEXT) command.option(flag, description);
  for (const [path, description] of SWITCHES) command.option(`--${path} [bool]`, description);
  return command;
}
