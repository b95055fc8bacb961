import { STATUS_CODES } from 'node:http';
import type { HttpResponse } from './http.js';
import type * as uws from './uws.js';

/** What the library says by itself. */
const OK = 200;
const NO_CONTENT = 204;

/**
 * To be called corked.
 * @param isHead  the request was HEAD: no body.
 * @param close  end the connection as well.
 */
export function writeResponse(
  res: uws.HttpResponse,
  { status, headers, body = '' }: HttpResponse,
  isHead = false,
  close = false,
): void {
  if (status !== OK) res.writeStatus(`${status} ${STATUS_CODES[status] ?? 'Unknown'}`);
  for (const name in headers) res.writeHeader(name, headers[name]!);
  if (status === NO_CONTENT) res.endWithoutBody();
  else if (isHead) res.endWithoutBody(Buffer.byteLength(body), close);
  else res.end(body, close);
}
