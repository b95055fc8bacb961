/**
 * Redis addresses as Centrifugo takes them: `host:port`, or
 *
 *     scheme://[[user]:password@]host[:port][/db][?parameter=value&…]
 *     unix://[[user]:password@]/path[?…]
 *
 * Problems are told without any part of the address: it may contain a password in an unexpected place.
 */
import { parseDuration } from '../duration.js';
import type { Endpoint } from './options.js';

export const REDIS_PORT = 6379;
export const SENTINEL_PORT = 26379;

type Kind = 'standalone' | 'sentinel' | 'cluster';

/** What an address says; undefined where it says nothing. */
export interface Address {
  readonly kind: Kind;
  readonly endpoints: readonly Endpoint[];
  /** By its scheme. */
  readonly tls: boolean;
  readonly user: string | undefined;
  readonly password: string | undefined;
  readonly db: number | undefined;
  readonly parameters: Parameters;
}

export interface Parameters {
  readonly shard_name?: string;
  readonly shard_weight?: number;
  readonly connect_timeout?: number;
  readonly io_timeout?: number;
  readonly tls_enabled?: boolean;
  readonly force_resp2?: boolean;
  readonly sentinel_master_name?: string;
  readonly sentinel_user?: string;
  readonly sentinel_password?: string;
  readonly sentinel_tls_enabled?: boolean;
  readonly replica_client_enabled?: boolean;
}

/** The address cannot be used; the message continues its path: "is not …". */
export class AddressError extends Error {}

const SCHEMES: Readonly<Record<string, { kind: Kind; tls: boolean; unix?: true }>> = {
  tcp: { kind: 'standalone', tls: false },
  redis: { kind: 'standalone', tls: false },
  rediss: { kind: 'standalone', tls: true },
  unix: { kind: 'standalone', tls: false, unix: true },
  'redis+sentinel': { kind: 'sentinel', tls: false },
  'rediss+sentinel': { kind: 'sentinel', tls: true },
  'redis+cluster': { kind: 'cluster', tls: false },
  'rediss+cluster': { kind: 'cluster', tls: true },
};

const URL_PARTS = /^([a-z+]+):\/\/(?:([^/?#]*)@)?([^/?#]*)(\/[^?#]*)?(?:\?([^#]*))?$/s;
const HOST_PORT = /^(?:\[([0-9a-fA-F:.%]+)\]|([^\s:/?#@[\]]+))(?::(\d+))?$/;
const NAME = /^[-a-zA-Z0-9_.]{1,64}$/;
const WEIGHT_MAX = 100;

/** @throws AddressError */
export function parseAddress(text: string): Address {
  if (!text.includes('://')) return { ...nothing, kind: 'standalone', endpoints: [hostAndPort(text)] };
  const [, schemeName = '', credentials, host = '', path = '', query = ''] = URL_PARTS.exec(text) ?? [];
  const scheme = Object.hasOwn(SCHEMES, schemeName) ? SCHEMES[schemeName] : undefined;
  if (scheme === undefined) {
    throw new AddressError(`is neither host:port nor a URL; known schemes are ${Object.keys(SCHEMES).join(', ')}`);
  }
  const { parameters, more } = readQuery(query);
  const kind = kindOf(scheme.kind, parameters, more);
  const first = scheme.unix ? unixSocket(host, path) : hostWithDefaultPort(host, kind);
  return {
    kind,
    endpoints: [first, ...more.map((it) => hostWithDefaultPort(it, kind))],
    tls: scheme.tls,
    ...readCredentials(credentials),
    db: scheme.unix ? undefined : readDb(path),
    parameters,
  };
}

/**
 * One cluster or one set of sentinels: `host:port,host:port`, to which `?shard_name=…&shard_weight=…` can be added.
 * @throws AddressError
 */
export function parseEndpoints(text: string): { endpoints: Endpoint[]; parameters: Parameters } {
  const [list = '', query = ''] = text.split('?', 2);
  const { parameters, more } = readQuery(query, ['shard_name', 'shard_weight']);
  if (more.length > 0) throw new AddressError('takes no addr parameter; separate addresses by commas');
  return { endpoints: list.split(',').map((it) => hostAndPort(it.trim())), parameters };
}

const nothing = { tls: false, user: undefined, password: undefined, db: undefined, parameters: {} };

/** A second server makes a cluster of a plain one, as does naming a master make sentinels of it. */
function kindOf(kind: Kind, parameters: Parameters, more: readonly string[]): Kind {
  if (parameters.sentinel_master_name !== undefined && kind === 'standalone') return 'sentinel';
  return kind === 'standalone' && more.length > 0 ? 'cluster' : kind;
}

function hostAndPort(text: string): Endpoint {
  const endpoint = parseHost(text);
  if (endpoint === undefined || endpoint.port === 0) throw new AddressError('is neither a URL nor host:port');
  return endpoint;
}

function hostWithDefaultPort(text: string, kind: Kind): Endpoint {
  const endpoint = parseHost(text);
  if (endpoint === undefined) throw new AddressError('does not have host:port after its scheme or in addr');
  return endpoint.port > 0 ? endpoint : { ...endpoint, port: kind === 'sentinel' ? SENTINEL_PORT : REDIS_PORT };
}

/** Port 0: it names none. */
function parseHost(text: string): Endpoint | undefined {
  const match = HOST_PORT.exec(text);
  if (match === null) return undefined;
  const port = Number(match[3] ?? 0);
  if (port > 0xffff || (match[3] !== undefined && port === 0)) throw new AddressError('has a port out of range');
  return { host: match[1] ?? match[2]!, port };
}

function unixSocket(host: string, path: string): Endpoint {
  if (host !== '' || path.length < 2) throw new AddressError('must name the socket by an absolute path: unix:///run/…');
  return { host: decode(path), port: 0 };
}

function readCredentials(text = ''): Pick<Address, 'user' | 'password'> {
  const colon = text.indexOf(':');
  const user = colon < 0 ? text : text.slice(0, colon);
  return {
    user: user === '' ? undefined : decode(user),
    password: colon < 0 ? undefined : decode(text.slice(colon + 1)),
  };
}

function readDb(path: string): number | undefined {
  const text = path.slice(1);
  if (path === '') return undefined;
  if (!/^\d{1,9}$/.test(text)) throw new AddressError('must have the number of a database as its path');
  return Number(text);
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new AddressError('contains a % that is not followed by two hexadecimal digits; write %25 for %');
  }
}

// ---- parameters ----

const bad = (name: string, wanted: string) => new AddressError(`has a parameter ${name} that is not ${wanted}`);

function duration(text: string, name: string): number {
  const ms = parseDuration(text);
  if (ms === undefined || ms <= 0) throw bad(name, 'a duration such as "300ms" or "4s"');
  return ms;
}

/** What Go's `strconv.ParseBool` takes. */
function bool(text: string, name: string): boolean {
  if (/^(?:1|t|T|true|TRUE|True)$/.test(text)) return true;
  if (/^(?:0|f|F|false|FALSE|False)$/.test(text)) return false;
  throw bad(name, 'true or false');
}

function shardName(text: string, name: string): string {
  if (!NAME.test(text)) throw bad(name, `letters, digits, ".", "_" and "-", at most 64`);
  return text;
}

function weight(text: string, name: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < 1 || value > WEIGHT_MAX) throw bad(name, `a whole number from 1 to ${WEIGHT_MAX}`);
  return value;
}

const asIs = (text: string): string => text;

const PARAMETERS: { [K in keyof Parameters]-?: (text: string, name: string) => Parameters[K] } = {
  shard_name: shardName,
  shard_weight: weight,
  connect_timeout: duration,
  io_timeout: duration,
  tls_enabled: bool,
  force_resp2: bool,
  sentinel_master_name: asIs,
  sentinel_user: asIs,
  sentinel_password: asIs,
  sentinel_tls_enabled: bool,
  replica_client_enabled: bool,
};

function readQuery(
  query: string,
  known: readonly string[] = Object.keys(PARAMETERS),
): { parameters: Parameters; more: string[] } {
  const parameters: Record<string, unknown> = {};
  const search = new URLSearchParams(query);
  for (const [name, value] of search) {
    if (name === 'addr') continue;
    // Not shown: what looks like its name may be the rest of a password with a "?" in it.
    if (!known.includes(name)) throw new AddressError(`has an unknown parameter; known are ${known.join(', ')}`);
    // The first of several counts, as in Go.
    parameters[name] ??= PARAMETERS[name as keyof Parameters](value, name);
  }
  return { parameters, more: search.getAll('addr') };
}
