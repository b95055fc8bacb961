import type { HttpRoute } from '../transport/http.js';

/** Liveness: whoever gets this answer has reached a thread that works. */
export function healthRoute(path: string): HttpRoute {
  return {
    path,
    headers: [],
    maxBodyBytes: 0,
    handle: () => ({ status: 200, headers: { 'Content-Type': 'application/json' }, body: '{}' }),
  };
}
