import { bool, choice, choices, duration, int, list, secret, section, text } from '../fields.js';
import { proxy } from './proxy.js';

const dataFormat = (description: string) =>
  choice(['', 'json', 'json_object', 'binary'], '', `${description} "" is anything but empty, "binary" is anything.`);

const mapFields = {
  mode: choice(['', 'ephemeral', 'recoverable', 'persistent'], '', 'What is kept; required for map channels.'),
  key_ttl: duration('0s', 'How long a key stays without being published; required unless persistent.'),
  stream_size: int(0, 'Changes kept for recovery; 0 means 100.'),
  stream_ttl: duration('0s', 'How long changes are kept for recovery; 0 means 1m.'),
  meta_ttl: duration('0s', 'How long the position is kept; 0 derives it from the others.'),
  remove_client_on_unsubscribe: bool('Removes the key of a client when it unsubscribes.'),
  client_key: choice(['', 'client_id', 'user_id'], '', 'Key that clients publish under; empty lets them choose.'),
  allow_publish_for_client: bool('Clients may publish keys.'),
  allow_publish_for_subscriber: bool('Subscribers may publish keys.'),
  allow_publish_for_anonymous: bool('Extends the two above to clients without user id.'),
  allow_remove_for_client: bool('Clients may remove keys.'),
  allow_remove_for_subscriber: bool('Subscribers may remove keys.'),
  allow_remove_for_anonymous: bool('Extends the two above to clients without user id.'),
  publish_proxy_enabled: bool('Asks the backend before a key is published.'),
  publish_proxy_name: text('default', 'Proxy that is asked.'),
  remove_proxy_enabled: bool('Asks the backend before a key is removed.'),
  remove_proxy_name: text('default', 'Proxy that is asked.'),
  default_page_size: int(0, 'Keys per page when a client asks for none; 0 means 100.', { min: 0 }),
  min_page_size: int(0, 'Fewest keys per page; 0 means 100.', { min: 0 }),
  max_page_size: int(0, 'Most keys per page; 0 means 1000.', { min: 0 }),
  live_transition_max_publication_limit: int(0, 'Most changes in the reply that goes live; 0 means max_page_size.'),
  subscribe_catch_up_timeout: duration('0s', 'Time a client has to read all pages; 0 means 5s.'),
};

const sharedPollFields = {
  proxy_name: text('', 'Proxy that is polled; empty means the default one.'),
  refresh_interval: duration('0s', 'Time between polls; 0 means 10s.'),
  refresh_batch_size: int(0, 'Keys per request to the backend; 0 means 1000.'),
  max_keys_per_connection: int(0, 'Most keys of one client; 0 means 5000.'),
  mode: choice(['', 'versionless', 'versioned'], '', 'Whether the backend sends versions; empty means versionless.'),
  channel_shutdown_delay: duration('0s', 'Time a channel without clients is still polled; 0 means 1s, negative none.'),
  track_expired_extra_delay: duration('0s', 'Time an expired key stays tracked; 0 means 25s.'),
  publish_enabled: bool('The server API may publish too; needs versioned mode.'),
};

/** The same for channels without namespace and for each namespace. */
export const channelFields = {
  presence: bool('Keeps who is subscribed.'),
  join_leave: bool('Publishes join and leave messages.'),
  force_push_join_leave: bool('Sends join and leave messages to clients that did not ask for them.'),
  map_clients_presence_channel_prefix: text('', 'Prefix of the map channel with the clients of this channel.'),
  map_users_presence_channel_prefix: text('', 'Prefix of the map channel with the users of this channel.'),
  history_size: int(0, 'Most publications kept per channel; 0 keeps none.', { min: 0 }),
  history_ttl: duration('0s', 'How long publications are kept, whole seconds; 0 keeps none.', 's'),
  history_meta_ttl: duration('0s', 'How long offset and epoch are kept, whole seconds; 0 means the global one.', 's'),
  force_positioning: bool('Checks the position of every subscription.'),
  allow_positioning: bool('Clients may ask for positioning.'),
  force_recovery: bool('Makes every subscription recoverable.'),
  allow_recovery: bool('Clients may ask for recovery.'),
  force_recovery_mode: choice(['', 'stream', 'cache'], '', 'Recovers all missed publications, or the latest only.'),
  auto_cache_recover: bool('Sends the latest publication to new subscribers too; needs cache mode.'),
  allowed_delta_types: choices(['fossil'], 'Delta formats that clients may ask for.'),
  allow_tags_filter: bool('Clients may filter publications by tags.'),
  delta_publish: bool('Publishes deltas unless a publication says otherwise.'),
  allow_subscribe_for_anonymous: bool('Extends allow_subscribe_for_client to clients without user id.'),
  allow_subscribe_for_client: bool('Clients may subscribe.'),
  allow_publish_for_anonymous: bool('Extends the two below to clients without user id.'),
  allow_publish_for_subscriber: bool('Subscribers may publish.'),
  allow_publish_for_client: bool('Clients may publish.'),
  allow_presence_for_anonymous: bool('Extends the two below to clients without user id.'),
  allow_presence_for_subscriber: bool('Subscribers may read presence.'),
  allow_presence_for_client: bool('Clients may read presence.'),
  allow_history_for_anonymous: bool('Extends the two below to clients without user id.'),
  allow_history_for_subscriber: bool('Subscribers may read history.'),
  allow_history_for_client: bool('Clients may read history.'),
  allow_user_limited_channels: bool('Users named in a channel may subscribe to it.'),
  channel_regex: text('', 'Regular expression that the channel without its namespace must match.'),
  publication_data_format: dataFormat('What publications must be.'),
  subscribe_proxy_enabled: bool('Asks the backend when a client subscribes.'),
  subscribe_proxy_name: text('default', 'Proxy that is asked.'),
  publish_proxy_enabled: bool('Asks the backend when a client publishes.'),
  publish_proxy_name: text('default', 'Proxy that is asked.'),
  sub_refresh_proxy_enabled: bool('Asks the backend when a subscription expires.'),
  sub_refresh_proxy_name: text('default', 'Proxy that is asked.'),
  subscribe_stream_proxy_enabled: bool('Opens a stream from the backend for each subscription.'),
  subscribe_stream_proxy_name: text('default', 'Proxy the stream is opened to.'),
  subscribe_stream_proxy_bidirectional: bool('Also sends what clients publish into that stream.'),
  subscription_type: choice(['', 'stream', 'map', 'map_clients', 'map_users', 'shared_poll'], '', '"" means stream.'),
  map: section(mapFields, 'Map channels.'),
  shared_poll: section(sharedPollFields, 'Shared poll channels.'),
};

const channelProxies = {
  subscribe: proxy('Asked when a client subscribes.'),
  publish: proxy('Asked when a client publishes.'),
  sub_refresh: proxy('Asked when a subscription expires.'),
  subscribe_stream: proxy('Streams publications of a channel.'),
  map_publish: proxy('Asked when a client publishes a key.'),
  map_remove: proxy('Asked when a client removes a key.'),
  shared_poll_refresh: proxy('Polled for shared poll channels.'),
};

export const channel = section(
  {
    proxy: section(channelProxies, 'The proxies that the name "default" means.'),
    without_namespace: section(channelFields, 'Options of channels without namespace.'),
    namespaces: list(
      { name: text('', 'Unique name: two or more letters, digits, `-`, `_`, `.`.'), ...channelFields },
      'Namespaces: groups of channels with their own options.',
    ),
    history_meta_ttl: duration('720h', 'How long offset and epoch of a channel are kept, whole seconds.', 's'),
    publication_data_format: dataFormat('What publications must be where a namespace says nothing.'),
    max_length: int(255, 'Longest channel name, bytes.'),
    private_prefix: text('$', 'Channels that start with it need a subscription token.'),
    namespace_boundary: text(':', 'Ends the namespace in a channel name.'),
    user_boundary: text('#', 'Starts the list of allowed users in a channel name.'),
    user_separator: text(',', 'Separates users in that list.'),
  },
  'Channels and namespaces.',
);

export const sharedPoll = section(
  {
    hmac_secret_key: secret('Key that signs the keys clients may track.'),
    hmac_previous_secret_key: secret('Former key, also accepted while keys are changed.'),
    hmac_previous_secret_key_valid_until: int(0, 'The former key is accepted until this Unix time, seconds.', {
      min: 0,
    }),
    concurrency_limit: int(0, 'Most requests to backends at the same time; 0 means 64.', { min: 0 }),
  },
  'Shared poll subscriptions.',
);
