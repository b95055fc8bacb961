/** What commands need, each of them a part of it. */
import type { Caller } from '../auth/permissions.js';
import type { ChannelRules } from '../auth/rules.js';
import type { TokenVerifier } from '../auth/token.js';
import type { Channels } from '../channels/channels.js';
import type { Client } from '../clients/client.js';
import type { Control } from '../clients/control.js';
import type { Homes } from '../clients/homes.js';
import type { Registry } from '../clients/registry.js';
import type { Clock } from '../lib/clock.js';
import type { Proxies } from '../proxy/proxies.js';

/**
 * A command is over when it has answered by {@link Client.reply}, {@link Client.refuse} or {@link Client.done}, exactly
 * once, now or later. A promise only carries what goes wrong unexpectedly.
 */
export type Outcome = void | Promise<void>;

/** Replaced as a whole when the configuration is read again; so it is asked at each use and not kept. */
export interface Access {
  rules: ChannelRules;
  connectTokens: TokenVerifier;
  /** `client.subscription_token` where that is enabled, else the same as for connections. */
  subscribeTokens: TokenVerifier;
}

export interface RpcOptions {
  readonly proxy_enabled: boolean;
  readonly proxy_name: string;
}

export interface CommandConfig {
  readonly client: {
    readonly insecure: boolean;
    readonly allow_anonymous_connect_without_token: boolean;
    readonly disallow_anonymous_connection_tokens: boolean;
    readonly user_id_http_header: string;
    readonly channel_limit: number;
    readonly connect_include_server_time: boolean;
    readonly history_max_publication_limit: number;
    readonly ping_interval: number;
    readonly pong_timeout: number;
    readonly subscribe_to_user_personal_channel: {
      readonly enabled: boolean;
      readonly personal_channel_namespace: string;
    };
  };
  readonly rpc: {
    readonly ping: { readonly enabled: boolean; readonly method: string };
    readonly namespace_boundary: string;
    readonly without_namespace: RpcOptions;
    readonly namespaces: readonly (RpcOptions & { readonly name: string })[];
  };
}

export interface CommandDeps {
  readonly config: CommandConfig;
  readonly access: Access;
  readonly channels: Channels;
  readonly control: Control;
  /** To ask the application. */
  readonly proxies: Proxies;
  readonly homes: Homes;
  readonly registry: Registry;
  readonly clock: Clock;
  /** As clients see it in the connect result. */
  readonly version: string;
  /** As clients name it to have their commands find it. */
  readonly nodeUid: string;
}

export function callerOf(client: Client, config: CommandConfig): Caller {
  return { user: client.user, client: client.id, insecure: config.client.insecure };
}
