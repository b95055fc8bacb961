/** What every connection of a worker shares. Config keys are the config file's; durations are milliseconds. */
import type { Channels } from '../channels/channels.js';
import type { Clock } from '../lib/clock.js';
import type { TimerWheel } from '../lib/timer-wheel.js';
import type { Turn } from '../lib/turn.js';
import type { Command } from '../protocol/messages.js';
import type { Client } from './client.js';
import type { Homes } from './homes.js';
import type { Registry } from './registry.js';
import type { Subscription } from './subscription.js';
import type { UnidirectionalConfig } from './unidirectional.js';

export interface ClientConfig {
  readonly client: UnidirectionalConfig & {
    /** Not above 0: no pings. */
    readonly ping_interval: number;
    /** Not above 0: pongs are not waited for. */
    readonly pong_timeout: number;
    readonly stale_close_delay: number;
    readonly expired_close_delay: number;
    readonly expired_sub_close_delay: number;
    readonly presence_update_interval: number;
    /** Bytes. */
    readonly queue_max_size: number;
    /** Commands of one connection at work at the same time; 0 and 1 mean one after the other. */
    readonly concurrency: number;
    /** 0: no limit. */
    readonly channel_limit: number;
  };
  /** 0: a second. Also for HTTP. */
  readonly websocket: { readonly write_timeout: number };
  readonly uni_websocket: { readonly write_timeout: number };
}

/** The part of a pino logger that is used here. */
export interface Log {
  error(fields: object, message: string): void;
  info(fields: object, message: string): void;
  debug(fields: object, message: string): void;
}

/** Asks the application whether what has expired may stay, instead of having the client renew it. */
export interface Renewals {
  /**
   * Decides later about the connection: moves its expiry or ends it. Undefined: clients renew connections themselves, by
   * `refresh`.
   */
  readonly connection: ((client: Client) => void) | undefined;
  /** Decides about the subscription, later. @returns false where nobody is to be asked. */
  subscription(subscription: Subscription): boolean;
}

export interface ClientDeps {
  readonly config: ClientConfig;
  /** Of this worker. */
  readonly slot: number;
  readonly turn: Pick<Turn, 'touch'>;
  readonly wheel: TimerWheel;
  readonly clock: Clock;
  /** In [0, 1). */
  readonly random: () => number;
  readonly channels: Channels;
  readonly registry: Registry;
  readonly homes: Homes;
  readonly renewals: Renewals;
  readonly log: Log;
  /**
   * Carry out one command. It ends by exactly one of {@link Client.reply}, {@link Client.refuse} or
   * {@link Client.done}; a throw or a rejection closes the connection with 3004.
   */
  readonly dispatch: (client: Client, command: Command) => void | Promise<void>;
}
