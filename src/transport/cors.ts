/**
 * Cross-origin requests. Pages of other origins are not refused: without these headers their browser keeps the answer from
 * them, as with Centrifugo.
 */
import type { HttpRequest, HttpResponse } from './http.js';

/** Request headers that are looked at here. */
export const CORS_REQUEST_HEADERS = ['origin', 'access-control-request-headers'] as const;

export type Headers = Readonly<Record<string, string>>;

const NONE: Headers = Object.freeze({});

export function corsHeaders(request: HttpRequest, allowsOrigin: (origin: string) => boolean): Headers {
  const origin = request.header('origin');
  if (origin === '' || !allowsOrigin(origin)) return NONE;
  const headers: Record<string, string> = {
    'Access-Control-Allow-Origin': origin,
    'Access-Control-Allow-Credentials': 'true',
  };
  const asked = request.header('access-control-request-headers');
  if (asked !== '' && asked !== 'null') headers['Access-Control-Allow-Headers'] = asked;
  return headers;
}

/** The answer to a browser that asks whether it may POST. */
export const preflight = (cors: Headers): HttpResponse => ({
  status: 204,
  headers: { ...cors, 'Access-Control-Max-Age': '300', 'Access-Control-Allow-Methods': 'POST, OPTIONS' },
});
