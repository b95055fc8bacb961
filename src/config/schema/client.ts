import { bool, duration, int, list, secret, section, strings, text } from '../fields.js';
import { switchedProxy } from './proxy.js';

export const tokenFields = {
  hmac_secret_key: secret('Key of HS256, HS384 and HS512 tokens.'),
  hmac_previous_secret_key: secret('Former key, also accepted while keys are changed.'),
  hmac_previous_secret_key_valid_until: int(
    0,
    'The former key is accepted until this Unix time, seconds, in tokens issued (iat) no later; 0 means without end.',
    { min: 0 },
  ),
  rsa_public_key: text('', 'Public key (PEM) of RS256, RS384 and RS512 tokens.'),
  ecdsa_public_key: text('', 'Public key (PEM) of ES256, ES384 and ES512 tokens.'),
  jwks_public_endpoint: text('', 'URL of a JSON Web Key Set; when set it replaces the keys above.'),
  audience: text('', 'Required `aud`.'),
  audience_regex: text('', 'Regular expression that `aud` must match.'),
  issuer: text('', 'Required `iss`.'),
  issuer_regex: text('', 'Regular expression that `iss` must match.'),
  user_id_claim: text('', 'Claim with the user id; empty means `sub`.'),
  insecure_skip_jwks_endpoint_safety_check: bool(
    'Allows a JWKS URL built from parts of a token that are not fixed words.',
  ),
};

const personalChannel = section(
  {
    enabled: bool('Subscribes each user to a channel of his own.'),
    personal_channel_namespace: text('', 'Namespace of that channel; empty means none.'),
    single_connection: bool('Keeps one connection per user: a new one closes the others. Needs presence.'),
  },
  'Personal channel of each user.',
);

const connectCodeToDisconnect = section(
  {
    enabled: bool('Turns the mapping on.'),
    transforms: list(
      {
        code: int(0, 'Error code of a failed connect.', { min: 0 }),
        to: section(
          {
            code: int(0, 'Disconnect code.', { min: 0 }),
            reason: text('', 'Disconnect reason, ASCII.'),
          },
          'The disconnect.',
        ),
      },
      'Which error becomes which disconnect.',
    ),
  },
  'Turns connect errors of unidirectional clients into disconnects.',
);

export const client = section(
  {
    proxy: section(
      {
        connect: switchedProxy('Asks the backend when a client connects.'),
        refresh: switchedProxy('Asks the backend when a connection expires.'),
      },
      'Proxies of connection events.',
    ),
    allowed_origins: strings(
      [],
      'Allowed values of the Origin header, with `*`; none allows only requests without it.',
    ),
    token: section(tokenFields, 'Verification of connection tokens.'),
    subscription_token: section(
      { enabled: bool('Verifies subscription tokens by this section instead of `client.token`.'), ...tokenFields },
      'Verification of subscription tokens.',
    ),
    allow_anonymous_connect_without_token: bool('Accepts connections without a token, as a user without id.'),
    disallow_anonymous_connection_tokens: bool('Refuses tokens without a user id.'),
    ping_interval: duration('25s', 'Time between pings to a client; negative turns them off.'),
    pong_timeout: duration('8s', 'A client that sends no pong for this long is disconnected; negative turns it off.'),
    expired_close_delay: duration('25s', 'Time to refresh an expired connection before it is closed.'),
    expired_sub_close_delay: duration('25s', 'Time to refresh an expired subscription before it is ended.'),
    stale_close_delay: duration('10s', 'Time a new connection has to send its connect command.'),
    channel_limit: int(128, 'Most subscriptions of one client.'),
    queue_max_size: int(1048576, 'Most bytes waiting for a slow client; over it the client is disconnected.'),
    presence_update_interval: duration('27s', 'Time between refreshes of the presence of a client.'),
    concurrency: int(0, 'Commands of one client handled at the same time; 0 or 1 means one after another.'),
    channel_position_check_delay: duration('40s', 'Time between checks of the position of a subscription.'),
    channel_position_max_time_lag: duration(
      '0s',
      'Delay of a publication that counts as a lost position; 0 means any.',
    ),
    connection_limit: int(0, 'Most connections of this node; 0 means no limit.'),
    user_connection_limit: int(0, 'Most connections of one user on this node; 0 means no limit.'),
    connection_rate_limit: int(0, 'Burst of new connections, refilled by one a second; 0 means no limit.'),
    connect_include_server_time: bool('Sends the time of the server in the connect reply.'),
    history_max_publication_limit: int(300, 'Most publications in one history reply.'),
    recovery_max_publication_limit: int(300, 'Most publications recovered by one subscribe.'),
    insecure_skip_token_signature_verify: bool('Accepts tokens without checking signatures. Never in production.'),
    user_id_http_header: text('', 'Header with the user id, set by a trusted reverse proxy. Empty turns it off.'),
    insecure: bool('Lets everyone connect and do everything. Never in production.'),
    subscribe_to_user_personal_channel: personalChannel,
    connect_code_to_unidirectional_disconnect: connectCodeToDisconnect,
  },
  'Client connections.',
);
