import { JsonFields } from '../protocol/json-reader.js';
import type { Bytes } from '../protocol/messages.js';
import { apiErrors } from './errors.js';
import { type Method, readRequest, writeNothing } from './method.js';

export interface RpcRequest {
  method: string;
  params: Bytes | undefined;
}

const fields = new JsonFields<RpcRequest>({ method: (r) => r.string(), params: (r) => r.raw() });

/** For server extensions; there are none, so no method is found. */
export const rpc: Method<RpcRequest, object> = {
  name: 'rpc',
  read: (reader) => readRequest(reader, { method: '', params: undefined }, fields),
  run: ({ method }, _deps, done) => done(method === '' ? apiErrors.badRequest : apiErrors.notFound, undefined),
  write: writeNothing,
};
