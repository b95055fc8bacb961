/** A listener in this process, and a client of it. */
import type { Server, ServerOptions } from '@grpc/grpc-js';
import { onTestFinished } from 'vitest';
import { defaultConfig, type GrpcApiConfig } from '../../src/config/config.js';
import type { ServerTls } from '../../src/config/server-tls.js';
import { addApi, keyGuard } from '../../src/grpc/api.js';
import { GrpcListener, type ListenerConfig } from '../../src/grpc/listener.js';
import { rig } from '../api/rig.js';
import { ApiClient, type ClientOptions } from '../support/grpc.js';

export const listenerConfig = (some: Partial<ListenerConfig> = {}): ListenerConfig => ({
  ...defaultConfig().grpc_api,
  address: '127.0.0.1',
  port: 0,
  ...some,
});

/** Listens until the test is over. */
export async function listening(
  add: (server: Server) => void,
  config: Partial<ListenerConfig> = {},
  { tls, ...options }: ServerOptions & { tls?: ServerTls | undefined } = {},
): Promise<{ listener: GrpcListener; port: number }> {
  const listener = new GrpcListener('grpc_api', listenerConfig(config), tls, options);
  add(listener.server);
  const port = await listener.listen();
  onTestFinished(() => listener.close());
  return { listener, port };
}

/** The API over fakes. */
export async function serveApi(config: Partial<GrpcApiConfig> = {}, client: ClientOptions = {}, tls?: ServerTls) {
  const fakes = rig();
  const grpcApi = { ...defaultConfig().grpc_api, ...config };
  const interceptors = grpcApi.key === '' ? [] : [keyGuard(grpcApi.key)];
  const { listener, port } = await listening((server) => addApi(server, grpcApi, fakes.deps), config, {
    tls,
    interceptors,
  });
  const api = new ApiClient(port, client);
  onTestFinished(() => api.close());
  return { ...fakes, listener, port, api };
}
