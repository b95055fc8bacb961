import { InappropriatePayload } from '../protocol/codec.js';
import { JsonWriter } from '../protocol/json-writer.js';
import type { HttpResponse } from '../transport/http.js';
import { type ApiError, httpStatus } from './errors.js';
import { writeError } from './method.js';

const JSON_HEADERS = { 'Content-Type': 'application/json' };

const scratch = new JsonWriter();

/**
 * A response in JSON, to be sent before there is another: its body is in memory that is used again. What cannot be said in
 * JSON (a stored payload that is not) is a 500: the caller asked in the wrong format, and there is no part of the answer
 * that could be left out.
 */
export function json(write: (w: JsonWriter) => void, status = 200): HttpResponse {
  scratch.reset();
  try {
    write(scratch);
  } catch (error) {
    if (error instanceof InappropriatePayload) return plain(500, 'Internal Server Error');
    throw error;
  }
  return { status, headers: JSON_HEADERS, body: scratch.record() };
}

/** Error mode "transport": the status tells, the body is the error alone. */
export const transportError = (error: ApiError): HttpResponse => json((w) => writeError(w, error), httpStatus(error));

export function plain(status: number, text: string): HttpResponse {
  const headers = { 'Content-Type': 'text/plain; charset=utf-8', 'X-Content-Type-Options': 'nosniff' };
  return { status, headers, body: `${text}\n` };
}

export const badRequest = plain(400, 'Bad Request');
export const unauthorized: HttpResponse = { status: 401 };
export const methodNotAllowed: HttpResponse = { status: 405 };
