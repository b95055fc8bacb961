/** gRPC of a worker. It is loaded only by the one that serves it. */
import { logVerbosity, setLogVerbosity } from '@grpc/grpc-js';
import type { ApiDeps } from '../api/deps.js';
import type { Config } from '../config/config.js';
import type { GrpcServer } from '../config/listeners.js';
import type { ServerTls } from '../config/server-tls.js';
import { addApi, keyGuard } from './api.js';
import { GrpcListener } from './listener.js';
import { addUniStream, KEEPALIVE, type UniEndpoint } from './uni.js';

export interface GrpcDeps {
  /** Of the servers with TLS. */
  readonly certificates: { readonly [section in GrpcServer]?: ServerTls };
  readonly api: ApiDeps;
  readonly uni: UniEndpoint;
  readonly log: { info(fields: object, message: string): void };
}

/** Calls of one connection at work; more wait at the client. */
const MAX_API_CALLS_PER_CONNECTION = 1024;

/**
 * Listen on the ports that are configured.
 * @throws Error in one line, if one of them cannot be had.
 */
export async function serveGrpc(config: Config, deps: GrpcDeps): Promise<readonly GrpcListener[]> {
  // What the library would write to stderr is said by the errors that it gives.
  setLogVerbosity(logVerbosity.NONE);
  const listeners: GrpcListener[] = [];
  if (config.grpc_api.enabled) listeners.push(await serveApi(config.grpc_api, deps));
  if (config.uni_grpc.enabled) listeners.push(await serveUniStream(config.uni_grpc, deps));
  return listeners;
}

async function serveApi(config: Config['grpc_api'], { certificates, api, log }: GrpcDeps): Promise<GrpcListener> {
  const listener = new GrpcListener('grpc_api', config, certificates.grpc_api, {
    'grpc.max_concurrent_streams': MAX_API_CALLS_PER_CONNECTION,
    interceptors: config.key === '' ? [] : [keyGuard(config.key)],
  });
  addApi(listener.server, config, api);
  log.info({ port: await listener.listen() }, 'the server API is served over gRPC');
  return listener;
}

async function serveUniStream(config: Config['uni_grpc'], { certificates, uni, log }: GrpcDeps): Promise<GrpcListener> {
  const listener = new GrpcListener('uni_grpc', config, certificates.uni_grpc, KEEPALIVE);
  addUniStream(listener.server, uni);
  log.info({ port: await listener.listen() }, 'unidirectional clients are served over gRPC');
  return listener;
}
