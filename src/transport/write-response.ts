import { STATUS_CODES } from 'node:http';
import type { HttpResponse } from './http.js';
import type * as uws from './uws.js';

const NO_CONTENT = 204;

export interface WriteOptions {
  /** The request was HEAD: no body. */
  readonly isHead?: boolean;
  /** End the connection as well. */
  readonly close?: boolean;
}

/** To be called corked. */
export function writeResponse(
  res: uws.HttpResponse,
  { status, headers, body = '' }: HttpResponse,
  { isHead = false, close = false }: WriteOptions = {},
): void {
  res.writeStatus(`${status} ${STATUS_CODES[status] ?? 'Unknown'}`);
  for (const name in headers) res.writeHeader(name, headers[name]!);
  if (status === NO_CONTENT) res.endWithoutBody();
  else if (isHead) res.endWithoutBody(Buffer.byteLength(body), close);
  else res.end(body, close);
}
