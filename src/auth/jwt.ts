/** A JSON Web Token in compact form, taken apart but not believed. */
import { JsonFields } from '../protocol/json-fields.js';
import { readObject } from '../protocol/json-reader.js';

/**
 * Why a token was refused. `expired` also means "not valid yet": both are told as 109, and the client fetches another.
 * The message is for the log: it never holds a secret, a signature or a claim.
 */
export class TokenError extends Error {
  override readonly name = 'TokenError';
  constructor(
    readonly kind: 'expired' | 'invalid',
    message: string,
  ) {
    super(message);
  }
}

export interface Jwt {
  readonly alg: string;
  readonly kid: string;
  /** What is signed: the first two parts as they came. */
  readonly signed: string;
  readonly payload: Buffer;
  readonly signature: Buffer;
}

/** Buffer's own decoder skips what is not base64url; a token must not have two spellings. */
const COMPACT_FORM = /^[\w-]+\.[\w-]+\.[\w-]*$/;

interface Header {
  readonly alg: string;
  readonly kid: string;
}

const headerFields = new JsonFields<Header>({
  alg: (reader) => reader.string(),
  kid: (reader) => reader.string(),
});

/** @throws TokenError, JsonError */
export function parseJwt(token: string): Jwt {
  if (!COMPACT_FORM.test(token)) throw new TokenError('invalid', 'not a JSON Web Token');
  const first = token.indexOf('.');
  const second = token.indexOf('.', first + 1);
  const { alg, kid } = readHeader(token.slice(0, first));
  return {
    alg,
    kid,
    signed: token.slice(0, second),
    payload: Buffer.from(token.slice(first + 1, second), 'base64url'),
    signature: Buffer.from(token.slice(second + 1), 'base64url'),
  };
}

/** Tokens of one issuer begin alike, so what was read last is kept. */
let last: { readonly encoded: string; readonly header: Header } | undefined;

function readHeader(encoded: string): Header {
  if (last?.encoded === encoded) return last.header;
  const header = readObject(Buffer.from(encoded, 'base64url'), { alg: '', kid: '' }, headerFields);
  last = { encoded, header };
  return header;
}
