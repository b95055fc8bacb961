/** Every path that a worker serves over HTTP and WebSocket, and who may reach it. */
import { demoRoutes } from './api/demo.js';
import type { ApiDeps } from './api/deps.js';
import { healthRoute } from './api/health.js';
import { apiRoutes } from './api/http.js';
import { openApi } from './api/openapi.js';
import { readyRoute } from './api/ready.js';
import { swaggerRoutes } from './api/swagger.js';
import { signToken } from './auth/sign-token.js';
import type { Emulation } from './clients/emulation.js';
import type { Config } from './config/config.js';
import type { Listener } from './config/listeners.js';
import type { Asks } from './mesh/asks.js';
import type { Log } from './observe/log.js';
import { emulationRoute } from './transport/emulation.js';
import type { HttpRoute, StreamRoute } from './transport/http.js';
import { registerHttp } from './transport/http-server.js';
import { initRoute } from './transport/init.js';
import type { Routes } from './transport/secure-app.js';
import { httpStreamRoute, type StreamEndpoint, sseRoute } from './transport/streams.js';
import { uniHttpStreamRoute, uniSseRoute } from './transport/uni-streams.js';
import { registerUniWebSocket } from './transport/uni-websocket.js';
import { registerWebSocket } from './transport/websocket.js';

const DEMO_TOKEN_SECONDS = 3600;
const DEFAULT_BODY_BYTES = 64 * 1024;

/** What endpoints for clients have in common. */
export type Endpoint = Pick<StreamEndpoint, 'headers' | 'allowsOrigin' | 'admit' | 'open' | 'onError'>;

export interface EndpointDeps {
  readonly endpoint: Endpoint;
  readonly api: ApiDeps;
  readonly emulation: Emulation;
  readonly asks: Asks;
  readonly version: string;
  readonly log: Log;
}

type AnyRoute = HttpRoute | StreamRoute;

/** @returns what adds the routes of a listener to an app of its. */
export function endpoints(config: Config, deps: EndpointDeps): (app: Routes, listener: Listener) => void {
  const external = clientRoutes(config, deps);
  const internal = operatorRoutes(config, deps);
  (config.http_api.external ? external : internal).push(...apiRoutes(config.http_api, deps.api));
  return (app, listener) => {
    if (listener.external) registerWebSockets(app, config, deps.endpoint);
    const routes = [...(listener.external ? external : []), ...(listener.internal ? internal : [])];
    registerHttp(app, routes, (error) => deps.log.error({ err: error }, 'an HTTP handler failed'));
  };
}

/** Request headers that say who a client is. */
export function clientHeaders({ client }: Config): string[] {
  return client.user_id_http_header ? [client.user_id_http_header.toLowerCase()] : [];
}

const trimmed = (prefix: string): string => prefix.replace(/\/+$/, '') || '/';
const at = (options: { handler_prefix: string; max_request_body_size: number }) => ({
  path: trimmed(options.handler_prefix),
  maxBodyBytes: options.max_request_body_size || DEFAULT_BODY_BYTES,
});

function clientRoutes(config: Config, { endpoint, emulation }: EndpointDeps): AnyRoute[] {
  const { http_stream, sse, uni_http_stream, uni_sse, init, dev } = config;
  const routes: AnyRoute[] = [];
  if (dev.demo) {
    const sign = (user: string) => signToken(config.client.token, 'client.token', { user, ttl: DEMO_TOKEN_SECONDS });
    routes.push(...demoRoutes(sign));
  }
  if (http_stream.enabled) routes.push(httpStreamRoute({ ...endpoint, ...at(http_stream) }));
  if (sse.enabled) routes.push(sseRoute({ ...endpoint, ...at(sse) }));
  if (http_stream.enabled || sse.enabled) {
    const { allowsOrigin } = endpoint;
    routes.push(emulationRoute({ ...at(config.emulation), allowsOrigin, pass: (request) => emulation.pass(request) }));
  }
  for (const [options, route] of [
    [uni_http_stream, uniHttpStreamRoute],
    [uni_sse, uniSseRoute],
  ] as const) {
    const connectCodeToHttpResponse = options.connect_code_to_http_response;
    if (options.enabled) routes.push(route({ ...endpoint, ...at(options), connectCodeToHttpResponse }));
  }
  if (init.enabled) routes.push(initRoute(trimmed(init.handler_prefix), endpoint));
  return routes;
}

/** For the operator's own programs. On the same port unless another is configured. */
function operatorRoutes(config: Config, { asks, version }: EndpointDeps): AnyRoute[] {
  const routes: AnyRoute[] = [];
  if (config.health.enabled) {
    const health = config.health.handler_prefix || '/health';
    routes.push(healthRoute(health), readyRoute(`${health.replace(/\/+$/, '')}/ready`, asks));
  }
  if (config.swagger.enabled) {
    const prefix = config.swagger.handler_prefix || '/';
    routes.push(...swaggerRoutes(prefix, () => openApi(config.http_api, version)));
  }
  return routes;
}

function registerWebSockets(app: Routes, { websocket, uni_websocket }: Config, endpoint: Endpoint): void {
  if (!websocket.disabled)
    registerWebSocket(app, { ...endpoint, path: websocket.handler_prefix || '/', options: websocket });
  if (uni_websocket.enabled)
    registerUniWebSocket(app, {
      ...endpoint,
      path: trimmed(uni_websocket.handler_prefix),
      options: uni_websocket,
    });
}
