import { apiErrors } from './errors.js';
import { json, required, shape, string, type Values } from './fields.js';
import { type Method, noFields, writeNothing } from './method.js';

const fields = {
  method: required(string('Name of the extension.')),
  params: json('What it is given.'),
};

export type RpcRequest = Values<typeof fields>;

/** For server extensions; there are none, so no method is found. */
export const rpc: Method<RpcRequest, object> = {
  name: 'rpc',
  about: {
    tag: 'Server',
    summary: 'Call an extension of the server',
    description: 'There are no extensions yet: any method answers 104.',
    example: { method: 'example', params: {} },
  },
  request: shape(fields),
  result: noFields,
  run: ({ method }, _deps, done) => done(method === '' ? apiErrors.badRequest : apiErrors.notFound, undefined),
  write: writeNothing,
};
