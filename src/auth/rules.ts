/**
 * What a channel's name says about it: its namespace's options, and who may use it by name alone.
 *
 *   $ news : sport #7,42            private_prefix  namespace_boundary  user_boundary  user_separator
 *   │ └─┬┘   └─┬─┘ └─┬─┘
 *   │   │      │     users that may subscribe, where allow_user_limited_channels is on
 *   │   │      the rest, to which channel_regex applies
 *   │   namespace (without a boundary: channel.without_namespace, and the whole name is the rest)
 *   only with a subscription token
 */

import { RE2JS } from 're2js';
import type { ChannelConfig, ChannelOptions } from '../config/config.js';
import { BoundedCache } from '../lib/bounded-cache.js';
import { charCode } from '../lib/char-code.js';

export interface ResolvedChannel {
  readonly name: string;
  /** '' for `channel.without_namespace`. */
  readonly namespace: string;
  /** With `history_meta_ttl` and `publication_data_format` filled in from the `channel` section. One object a namespace. */
  readonly options: ChannelOptions;
  /** False: the name breaks `channel_regex` or, without one, is not ASCII (107 for clients; server calls do not ask). */
  readonly validName: boolean;
  /** A subscription token is required. */
  readonly private: boolean;
  /** The only users that may subscribe without a token; undefined where the channel is not user-limited. */
  readonly users: readonly string[] | undefined;
}

interface Namespace {
  readonly name: string;
  readonly options: ChannelOptions;
  readonly regex: RE2JS | undefined;
}

/** Resolved channels kept, twice. A hit is a Map lookup; a miss costs a few string searches and the regex. */
const CACHE_HALF_ENTRIES = 8192;

export class ChannelRules {
  readonly #config: ChannelConfig;
  readonly #withoutNamespace: Namespace;
  readonly #namespaces: ReadonlyMap<string, Namespace>;
  readonly #cache = new BoundedCache<string, ResolvedChannel>(CACHE_HALF_ENTRIES);

  /** @throws Error naming the option, if a `channel_regex` is not a valid RE2 expression. */
  constructor(config: ChannelConfig) {
    this.#config = config;
    this.#withoutNamespace = compileNamespace('', config.without_namespace, config);
    this.#namespaces = new Map(
      config.namespaces.map((options) => [options.name, compileNamespace(options.name, options, config)]),
    );
  }

  /** Longer than `channel.max_length`, which counts bytes (107). Clients' names only: server calls are not limited. */
  tooLong(channel: string): boolean {
    const max = this.#config.max_length;
    // A UTF-16 unit is 1 to 3 bytes, so most names are decided by their length.
    if (channel.length > max) return true;
    return channel.length * 3 > max && Buffer.byteLength(channel) > max;
  }

  /** @returns undefined for a namespace that is not configured (102). */
  resolve(channel: string): ResolvedChannel | undefined {
    const cached = this.#cache.get(channel);
    if (cached !== undefined) return cached;
    const resolved = this.#resolve(channel);
    if (resolved !== undefined) this.#cache.set(channel, resolved);
    return resolved;
  }

  /** The channel `client.subscribe_to_user_personal_channel` gives to a user. @param namespace  '' for none. */
  personalChannel(user: string, namespace: string): string {
    const { namespace_boundary, user_boundary } = this.#config;
    return namespace === '' ? user_boundary + user : namespace + namespace_boundary + user_boundary + user;
  }

  #resolve(channel: string): ResolvedChannel | undefined {
    const { private_prefix, namespace_boundary } = this.#config;
    const isPrivate = private_prefix !== '' && channel.startsWith(private_prefix);
    const start = isPrivate ? private_prefix.length : 0;
    const boundary = namespace_boundary === '' ? -1 : channel.indexOf(namespace_boundary, start);
    const name = boundary < 0 ? '' : channel.slice(start, boundary);
    const rest = boundary < 0 ? channel : channel.slice(boundary + namespace_boundary.length);
    const namespace = name === '' ? this.#withoutNamespace : this.#namespaces.get(name);
    if (namespace === undefined) return undefined;
    return {
      name: channel,
      namespace: namespace.name,
      options: namespace.options,
      validName: namespace.regex === undefined ? isAscii(channel) : namespace.regex.matcher(rest).find(),
      private: isPrivate,
      users: namespace.options.allow_user_limited_channels ? this.#users(channel) : undefined,
    };
  }

  #users(channel: string): string[] | undefined {
    const { user_boundary, user_separator } = this.#config;
    if (user_boundary === '') return undefined;
    const boundary = channel.lastIndexOf(user_boundary);
    if (boundary < 0) return undefined;
    const users = channel.slice(boundary + user_boundary.length);
    return user_separator === '' ? [users] : users.split(user_separator);
  }
}

function compileNamespace(name: string, options: ChannelOptions, config: ChannelConfig): Namespace {
  return {
    name,
    options: Object.freeze({
      ...options,
      history_meta_ttl: options.history_meta_ttl || config.history_meta_ttl,
      publication_data_format: options.publication_data_format || config.publication_data_format,
    }),
    regex: options.channel_regex === '' ? undefined : compileRegex(options.channel_regex, name),
  };
}

function compileRegex(pattern: string, namespace: string): RE2JS {
  try {
    return RE2JS.compile(pattern);
  } catch (error) {
    const where = namespace === '' ? 'channel.without_namespace' : `channel namespace "${namespace}"`;
    throw new Error(`${where}: channel_regex is not a valid regular expression: ${(error as Error).message}`);
  }
}

function isAscii(text: string): boolean {
  const { length } = text;
  for (let i = 0; i < length; i++) if (charCode(text, i) > 0x7f) return false;
  return true;
}
