import { bool, duration, secret, section, stringMap, text } from '../fields.js';
import { tls } from './tls.js';

export const natsBroker = section(
  {
    prefix: text('centrifugo', 'First part of every subject.'),
    url: secret('Server URL, or several separated by commas.', 'nats://localhost:4222'),
    dial_timeout: duration('1s', 'Time to connect.'),
    write_timeout: duration('1s', 'Time to write.'),
    tls: tls('TLS to NATS.'),
    allow_wildcards: bool('Lets clients subscribe to subjects with wildcards.'),
    raw_mode: section(
      {
        enabled: bool('Turns raw mode on.'),
        channel_replacements: stringMap('Text to replace in a channel to get its subject.'),
        prefix: text('', 'First part of every subject in raw mode.'),
      },
      'Exchanges plain payloads with other NATS applications.',
    ),
  },
  'NATS broker: publish and subscribe without history.',
);
