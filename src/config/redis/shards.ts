import type { ConnectionOptions } from 'node:tls';
import type { Report } from '../check/report.js';
import { clientTls, DEFAULT_TLS } from '../client-tls.js';
import type { Config } from '../config.js';
import { type Address, AddressError, type Parameters, parseAddress, parseEndpoints } from './address.js';
import type { Endpoint, ServerOptions, ShardOptions } from './options.js';

/** `engine.redis`, `broker.redis` or `presence_manager.redis`. */
export type RedisConfig = Pick<
  Config['engine']['redis'],
  keyof Config['engine']['redis'] & keyof Config['broker']['redis'] & keyof Config['presence_manager']['redis']
>;

export type ShardingMode = RedisConfig['sharding'];

/** The shards that channels are spread over. */
export interface ShardList {
  readonly mode: ShardingMode;
  readonly shards: readonly ShardOptions[];
}

export interface RedisShards extends ShardList {
  /** Where channels were before, while nodes with the former list are being replaced; undefined otherwise. */
  readonly previous: ShardList | undefined;
}

/**
 * What a section about Redis says. Precedence is Centrifugo's: `cluster_address` before `sentinel_address` before `address`,
 * and what a URL says before the fields beside it, of which `tls` alone wins over the URL's `tls_enabled`.
 *
 * @param at  path of the section. Problems are reported by option, without secrets; what is wrong is then left out.
 */
export function readShards(redis: RedisConfig, at: string, report: Report): RedisShards {
  const reader = new Reader(redis, at, report);
  const { sharding: mode } = redis;
  const shards = reader.current();
  if (redis.previous_address.length === 0) return { mode, shards, previous: undefined };
  const previous = { mode: redis.previous_sharding || mode, shards: reader.urls('previous_address') };
  return { mode, shards, previous };
}

interface Deployment {
  readonly kind: ShardOptions['kind'];
  readonly endpoints: readonly Endpoint[];
  readonly server: ServerOptions;
  readonly sentinelTls: ConnectionOptions | undefined;
  readonly parameters: Parameters;
}

type ListOption = 'address' | 'cluster_address' | 'sentinel_address' | 'previous_address';

class Reader {
  readonly #tls: ConnectionOptions | undefined;
  readonly #sentinelTls: ConnectionOptions | undefined;

  constructor(
    private readonly redis: RedisConfig,
    private readonly at: string,
    private readonly report: Report,
  ) {
    this.#tls = clientTls(redis.tls, `${at}.tls`, report);
    this.#sentinelTls = clientTls(redis.sentinel_tls, `${at}.sentinel_tls`, report);
  }

  current(): ShardOptions[] {
    const { cluster_address, sentinel_address } = this.redis;
    if (cluster_address.length > 0 && sentinel_address.length > 0) {
      this.report(`${this.at}.cluster_address`, 'cannot be used together with sentinel_address');
    }
    if (cluster_address.length > 0) return this.#lists('cluster_address', 'cluster');
    if (sentinel_address.length > 0) return this.#lists('sentinel_address', 'sentinel');
    return this.urls('address');
  }

  urls(option: 'address' | 'previous_address'): ShardOptions[] {
    return this.#shards(option, (text) => this.#ofUrl(parseAddress(text)));
  }

  #lists(option: 'cluster_address' | 'sentinel_address', kind: 'cluster' | 'sentinel'): ShardOptions[] {
    return this.#shards(option, (text) => {
      const server = this.#server();
      return { ...parseEndpoints(text), kind, server, sentinelTls: this.#sentinelTls };
    });
  }

  #ofUrl({ kind, endpoints, parameters, ...url }: Address): Deployment {
    const fields = this.#server();
    const wantsTls = url.tls || parameters.tls_enabled === true;
    const wantsSentinelTls = url.tls || parameters.sentinel_tls_enabled === true;
    const server = {
      ...fields,
      user: url.user ?? fields.user,
      password: url.password ?? fields.password,
      db: url.db ?? fields.db,
      tls: fields.tls ?? (wantsTls ? DEFAULT_TLS : undefined),
      connectTimeoutMs: parameters.connect_timeout ?? fields.connectTimeoutMs,
      ioTimeoutMs: parameters.io_timeout ?? fields.ioTimeoutMs,
      resp2: parameters.force_resp2 ?? fields.resp2,
    };
    return {
      kind,
      endpoints,
      server,
      sentinelTls: this.#sentinelTls ?? (wantsSentinelTls ? DEFAULT_TLS : undefined),
      parameters,
    };
  }

  #server(): ServerOptions {
    const { redis } = this;
    return {
      user: redis.user,
      password: redis.password,
      db: redis.db,
      clientName: redis.client_name,
      tls: this.#tls,
      connectTimeoutMs: redis.connect_timeout,
      ioTimeoutMs: redis.io_timeout,
      resp2: redis.force_resp2,
    };
  }

  #shards(option: ListOption, read: (text: string) => Deployment): ShardOptions[] {
    const mode =
      option === 'previous_address' ? this.redis.previous_sharding || this.redis.sharding : this.redis.sharding;
    const names = new Set<string>();
    const places = new Set<string>();
    const shards: ShardOptions[] = [];
    this.redis[option].forEach((text, i) => {
      const problem = (what: string) => this.report(`${this.at}.${option}[${i}]`, what);
      try {
        const shard = this.#shard(read(text), i);
        if (mode === 'jump' && shard.weight !== 1) problem('has a shard_weight, which needs sharding "ring"');
        if (names.has(shard.name)) problem(`is the second shard with the name "${shard.name}"; set shard_name`);
        if (places.has(deploymentId(shard))) problem('is the same Redis as another shard of the list');
        names.add(shard.name);
        places.add(deploymentId(shard));
        shards.push(shard);
      } catch (error) {
        if (!(error instanceof AddressError)) throw error;
        problem(error.message);
      }
    });
    return shards;
  }

  #shard({ kind, endpoints, server, sentinelTls, parameters }: Deployment, number: number): ShardOptions {
    const shard = { name: parameters.shard_name ?? String(number), weight: parameters.shard_weight ?? 1, server };
    if (kind === 'standalone') {
      if (parameters.replica_client_enabled) throw new AddressError('has replica_client_enabled, but no replicas');
      return { kind, ...shard, endpoint: endpoints[0]! };
    }
    if (kind === 'cluster') {
      if (server.db !== 0) throw new AddressError(`is a cluster, which has no database ${server.db}`);
      return { kind, ...shard, seeds: endpoints };
    }
    const { redis } = this;
    const masterName = parameters.sentinel_master_name ?? redis.sentinel_master_name;
    if (masterName === '') throw new AddressError('needs sentinel_master_name');
    return {
      kind,
      ...shard,
      sentinels: endpoints,
      masterName,
      sentinelUser: parameters.sentinel_user ?? redis.sentinel_user,
      sentinelPassword: parameters.sentinel_password ?? redis.sentinel_password,
      sentinelClientName: redis.sentinel_client_name,
      sentinelTls,
    };
  }
}

const show = ({ host, port }: Endpoint): string => `${host}:${port}`;

/**
 * What tells whether two shards keep their data in the same place, whatever their names: addresses and database. Without
 * secrets.
 */
export function deploymentId(shard: ShardOptions): string {
  switch (shard.kind) {
    case 'standalone':
      return `${show(shard.endpoint)}/${shard.server.db}`;
    case 'sentinel':
      return `sentinel ${shard.sentinels.map(show).sort().join()} ${shard.masterName}/${shard.server.db}`;
    case 'cluster':
      return `cluster ${shard.seeds.map(show).sort().join()}`;
  }
}
