import { bool, choice, duration, int, list, secret, section, strings, text } from '../fields.js';
import { redisConnection } from './redis.js';
import { tls } from './tls.js';

const method = (name: string) => text(name, 'Name of the field with the API method of a message.');

/** Where a consumer of `kind` fields (headers, attributes ...) finds what to publish with a plain payload. */
function publicationData<const K extends string>(kind: K) {
  const field = (name: string, what: string) => text(`centrifugo-${name}`, `Name of the ${kind} with ${what}.`);
  const fields = {
    [`channels_${kind}`]: field('channels', 'the channels, separated by commas'),
    [`idempotency_key_${kind}`]: field('idempotency-key', 'the idempotency key'),
    [`delta_${kind}`]: field('delta', 'the delta flag'),
    [`version_${kind}`]: field('version', 'the version'),
    [`version_epoch_${kind}`]: field('version-epoch', 'the version epoch'),
    [`tags_${kind}_prefix`]: field('tag-', 'a tag starts so'),
  } as Record<
    `${'channels' | 'idempotency_key' | 'delta' | 'version' | 'version_epoch'}_${K}` | `tags_${K}_prefix`,
    ReturnType<typeof text>
  >;
  return section(
    { enabled: bool('Turns the mode on.'), ...fields },
    'Publishes payloads as they are, to the channels given.',
  );
}

const postgresql = section(
  {
    dsn: secret('Connection string.'),
    outbox_table_name: text('', 'Outbox table.'),
    num_partitions: int(1, 'Partitions read in parallel.', { min: 0 }),
    partition_select_limit: int(100, 'Most rows per partition and round.', { min: 0 }),
    partition_poll_interval: duration('300ms', 'Time between rounds.'),
    partition_notification_channel: text('', 'LISTEN channel that announces new rows.'),
    partition_notification_dsn: secret('Connection string for LISTEN when `dsn` leads to a pooler.'),
    tls: tls('TLS to PostgreSQL.'),
    use_try_lock: bool('Skips partitions that another node holds instead of waiting.'),
  },
  'PostgreSQL outbox table.',
);

const kafka = section(
  {
    brokers: strings([], 'Broker addresses.'),
    topics: strings([], 'Topics to read.'),
    consumer_group: text('', 'Consumer group.'),
    max_poll_records: int(100, 'Most records per poll.', { min: 0 }),
    fetch_max_bytes: int(0, 'Most bytes per fetch; 0 means 50 MB.', { min: 0 }),
    fetch_max_wait: duration('500ms', 'Longest wait of a fetch.'),
    fetch_read_uncommitted: bool('Reads records of open transactions.'),
    partition_queue_max_size: int(1000, 'Records waiting per partition before it is paused; -1 pauses at every poll.'),
    dial_timeout: duration('3s', 'Time to connect.'),
    tls: tls('TLS to Kafka.'),
    sasl_mechanism: choice(['', 'plain', 'scram-sha-256', 'scram-sha-512', 'aws-msk-iam'], '', 'SASL mechanism.'),
    sasl_user: text('', 'SASL user.'),
    sasl_password: secret('SASL password.'),
    assume_role_arn: text('', 'AWS role to assume; needs aws-msk-iam.'),
    instance_id: text('', 'Static group member id.'),
    method_header: method('centrifugo-method'),
    publication_data_mode: publicationData('header'),
  },
  'Kafka.',
);

const natsJetstream = section(
  {
    url: secret('Server URL.', 'nats://127.0.0.1:4222'),
    credentials_file: text('', 'Credentials file.'),
    username: text('', 'User name.'),
    password: secret('Password.'),
    token: secret('Token.'),
    stream_name: text('', 'Stream to read.'),
    use_existing_consumer: bool('Uses a consumer that already exists.'),
    subjects: strings([], 'Subjects to read.'),
    durable_consumer_name: text('', 'Durable consumer.'),
    deliver_policy: choice(['new', 'all'], 'new', 'Which messages a new consumer starts with.'),
    max_ack_pending: int(100, 'Most unacknowledged messages.', { min: 0 }),
    method_header: method('centrifugo-method'),
    publication_data_mode: publicationData('header'),
    tls: tls('TLS to NATS.'),
  },
  'NATS JetStream.',
);

const redisStream = section(
  {
    ...redisConnection,
    streams: strings([], 'Streams to read.'),
    consumer_group: text('', 'Consumer group.'),
    visibility_timeout: duration('30s', 'Time until an unacknowledged message is taken over.'),
    num_workers: int(1, 'Messages handled at the same time per stream.', { min: 0 }),
    payload_value: text('payload', 'Name of the field with the payload.'),
    method_value: method('method'),
    publication_data_mode: publicationData('value'),
  },
  'Redis streams.',
);

const googlePubSub = section(
  {
    project_id: text('', 'Google Cloud project.'),
    subscriptions: strings([], 'Subscription ids.'),
    max_outstanding_messages: int(100, 'Most unacknowledged messages.', { min: 0 }),
    max_outstanding_bytes: int(1000000, 'Most unacknowledged bytes.', { min: 0 }),
    auth_mechanism: text('', 'How to sign in: "", "default" or "service_account".'),
    credentials_file: text('', 'Service account file.'),
    method_attribute: method('centrifugo-method'),
    publication_data_mode: publicationData('attribute'),
  },
  'Google Pub/Sub.',
);

const awsSqs = section(
  {
    queues: strings([], 'Queue URLs.'),
    sns_envelope: bool('Messages come wrapped by SNS.'),
    region: text('', 'AWS region.'),
    max_number_of_messages: int(10, 'Most messages per poll.', { min: 0 }),
    wait_time_time: duration('20s', 'Longest wait of a poll, rounded to seconds.'),
    visibility_timeout: duration('30s', 'Time until an unacknowledged message is seen again, rounded to seconds.'),
    max_concurrency: int(1, 'Messages handled at the same time.', { min: 0 }),
    credentials_profile: text('', 'AWS credentials profile.'),
    assume_role_arn: text('', 'AWS role to assume.'),
    method_attribute: method('centrifugo-method'),
    localstack_endpoint: text('', 'URL of a LocalStack to use instead of AWS.'),
    publication_data_mode: publicationData('attribute'),
  },
  'AWS SQS.',
);

const azureServiceBus = section(
  {
    connection_string: secret('Connection string.'),
    use_azure_identity: bool('Signs in by Azure identity instead of the connection string.'),
    fully_qualified_namespace: text('', 'Namespace host name.'),
    tenant_id: text('', 'Azure tenant.'),
    client_id: text('', 'Azure application.'),
    client_secret: secret('Secret of the application.'),
    queues: strings([], 'Queue names.'),
    use_sessions: bool('Handles messages of one session in order.'),
    max_concurrent_calls: int(1, 'Messages handled at the same time per queue.', { min: 0 }),
    max_receive_messages: int(1, 'Most messages per receive.', { min: 0 }),
    method_property: method('centrifugo-method'),
    publication_data_mode: publicationData('property'),
  },
  'Azure Service Bus.',
);

const types = [
  'postgresql',
  'kafka',
  'nats_jetstream',
  'redis_stream',
  'google_pub_sub',
  'aws_sqs',
  'azure_service_bus',
];

export const consumers = list(
  {
    name: text('', 'Unique name: two or more letters, digits, `_`.'),
    enabled: bool('Turns the consumer on.'),
    type: choice(['', ...types], '', 'What is read; required.'),
    postgresql,
    kafka,
    nats_jetstream: natsJetstream,
    redis_stream: redisStream,
    google_pub_sub: googlePubSub,
    aws_sqs: awsSqs,
    azure_service_bus: azureServiceBus,
  },
  'Consumers of API commands from queues.',
);
