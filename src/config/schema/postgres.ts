import { bool, duration, int, secret, section, text } from '../fields.js';
import { tls } from './tls.js';

const connection = (poolSize: number, shards: number) => ({
  dsn: secret('Connection string.'),
  tls: tls('TLS to PostgreSQL.'),
  pool_size: int(poolSize, 'Most connections.', { min: 0 }),
  num_shards: int(shards, 'Shards that work is spread over.', { min: 0 }),
  table_prefix: text('cf', 'First part of every table name.'),
  use_notify: bool('Wakes up by LISTEN/NOTIFY instead of polling only.'),
  notify_dsn: secret('Connection string for LISTEN when `dsn` leads to a pooler.'),
  skip_schema_init: bool('Creates no tables at start.'),
});

const storage = {
  ...connection(16, 8),
  cleanup_interval: duration('1m', 'How often expired rows are removed.'),
  idempotent_result_ttl: duration('5m', 'How long the result of an idempotent publish is kept.'),
  binary_data: bool('Keeps payloads as bytes instead of JSON.'),
  stream_retention: duration('24h', 'How long stream rows are kept.'),
  outbox: section(
    {
      poll_interval: duration('100ms', 'How often new rows are looked for.'),
      batch_size: int(1000, 'Most rows per round.', { min: 0 }),
    },
    'Delivery from the stream table.',
  ),
  partition_lookahead_days: int(2, 'Partitions created ahead, days.', { min: 0 }),
  partition_retention_days: int(7, 'Partitions kept, days.', { min: 0 }),
};

export const postgresBroker = section(storage, 'PostgreSQL broker.');

export const postgresMapBroker = section(
  { ...storage, ttl_check_interval: duration('1s', 'How often expired keys are looked for.') },
  'PostgreSQL map broker.',
);

export const postgresController = section(
  {
    ...connection(8, 1),
    poll_interval: duration('50ms', 'How often new messages are looked for.'),
    batch_size: int(1000, 'Most messages per round.', { min: 0 }),
    partition_lookahead_days: int(2, 'Partitions created ahead, days.', { min: 0 }),
    partition_retention_days: int(1, 'Partitions kept, days.', { min: 0 }),
    partition_cleanup_interval: duration('1m', 'How often old partitions are dropped.'),
  },
  'PostgreSQL controller.',
);
