import { bool, choice, duration, int, secret, section, strings, text } from '../fields.js';
import { tls } from './tls.js';

/** One Redis: a shard list, a cluster, or a sentinel group. */
export const redisConnection = {
  address: strings(['redis://127.0.0.1:6379'], 'Redis addresses or URLs; several are several shards.', {
    secret: true,
  }),
  connect_timeout: duration('1s', 'Time to connect.'),
  io_timeout: duration('4s', 'Time to read or write.'),
  db: int(0, 'Database number.', { min: 0 }),
  user: text('', 'User name.'),
  password: secret('Password.'),
  client_name: text('', 'Connection name shown by CLIENT LIST.'),
  force_resp2: bool('Speaks RESP2, for servers that do not know RESP3.'),
  cluster_address: strings([], 'Seed addresses of a Redis Cluster; several clusters are several shards.', {
    secret: true,
  }),
  tls: tls('TLS to Redis.'),
  sentinel_address: strings([], 'Addresses of the sentinels.', { secret: true }),
  sentinel_user: text('', 'User name at the sentinels.'),
  sentinel_password: secret('Password at the sentinels.'),
  sentinel_master_name: text('', 'Name of the master at the sentinels.'),
  sentinel_client_name: text('', 'Connection name at the sentinels.'),
  sentinel_tls: tls('TLS to the sentinels.'),
  replica_client: section({ enabled: bool('Reads from replicas.') }, 'Reading from replicas.'),
};

const prefixed = { prefix: text('centrifugo', 'First part of every key and channel name.'), ...redisConnection };

/** How channels are spread over several shards, and where they were before. Not in Centrifugo. */
const sharded = {
  ...prefixed,
  sharding: choice(
    ['ring', 'jump'],
    'ring',
    'How channels are spread over shards: "ring" by name and weight (shard_name and shard_weight in the query of an address; by default the number in the list, and 1), "jump" by number as Centrifugo does, to share shards with it.',
  ),
  previous_address: strings(
    [],
    'The former list of shards, as URLs, while channels move to the present one: they keep positions and history.',
    { secret: true },
  ),
  previous_sharding: choice(
    ['', 'ring', 'jump'],
    '',
    'How channels were spread over previous_address; "" for no change.',
  ),
};

const brokerOptions = {
  history_use_lists: bool('Keeps history in lists instead of streams: no pages, no reverse order, no idempotency.'),
};

const presenceOptions = {
  presence_ttl: duration('60s', 'How long an entry stays without being refreshed.', 's'),
  presence_hash_field_ttl: bool('Expires entries by hash field TTL (Redis 7.4 or later).'),
  presence_user_mapping: bool('Also keeps a hash of users, which makes presence statistics cheap.'),
};

export const redisEngine = section({ ...sharded, ...brokerOptions, ...presenceOptions }, 'Redis engine.');
export const redisBroker = section({ ...sharded, ...brokerOptions }, 'Redis broker.');
export const redisPresence = section({ ...sharded, ...presenceOptions }, 'Redis presence manager.');
export const redisMapBroker = section(
  {
    ...prefixed,
    cleanup_interval: duration('1s', 'How often expired keys are removed; negative turns it off.'),
    cleanup_batch_size: int(100, 'Expired keys removed per channel and round.', { min: 0 }),
    idempotent_result_ttl: duration('5m', 'How long the result of an idempotent publish is kept.'),
    skip_pub_sub: bool('Only stores, publishes nothing.'),
  },
  'Redis map broker.',
);
