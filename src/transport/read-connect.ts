import { decodeJsonConnect } from '../protocol/json-decode.js';
import { JsonError } from '../protocol/json-scanner.js';
import type { ConnectRequest } from '../protocol/messages.js';

/** @returns undefined for what is not a connect request in JSON. Payloads are views. */
export function readConnect(bytes: Buffer): ConnectRequest | undefined {
  try {
    return decodeJsonConnect(bytes);
  } catch (error) {
    if (error instanceof JsonError) return undefined;
    throw error;
  }
}

/** What clients have to say that cannot send a body. @returns undefined if it is absent or empty. */
export function connectParameter(query: string): Buffer | undefined {
  const text = new URLSearchParams(query).get('cf_connect') ?? '';
  return text === '' ? undefined : Buffer.from(text);
}
