/** The endpoint that clients may ask before they connect, for a cookie of the load balancer or an open HTTP/2 connection. */
import { CORS_REQUEST_HEADERS, corsHeaders } from './cors.js';
import type { HandshakeRules } from './handshake.js';
import type { HttpRoute } from './http.js';

/** `GET`: 200 where a connection would be let in now, else 503. */
export function initRoute(path: string, rules: HandshakeRules): HttpRoute {
  return {
    path,
    headers: CORS_REQUEST_HEADERS,
    maxBodyBytes: 0,
    handle: (request) => {
      if (request.method !== 'get') return { status: 405 };
      if (rules.admit() === 'busy') return { status: 503 };
      const headers = corsHeaders(request, rules.allowsOrigin);
      return { status: 200, headers: { ...headers, 'Content-Type': 'application/json; charset=utf-8' }, body: '{}' };
    },
  };
}
