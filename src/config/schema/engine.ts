import { bool, choice, section } from '../fields.js';
import { natsBroker } from './nats.js';
import { postgresBroker, postgresController, postgresMapBroker } from './postgres.js';
import { redisBroker, redisEngine, redisMapBroker, redisPresence } from './redis.js';

export const engine = section(
  {
    type: choice(['memory', 'redis'], 'memory', 'Where history and presence are kept and nodes meet.'),
    redis: redisEngine,
  },
  'Broker and presence manager in one.',
);

export const broker = section(
  {
    enabled: bool('Uses this broker instead of the one of the engine.'),
    type: choice(['memory', 'redis', 'nats', 'postgres', 'redisnats'], 'memory', 'Broker to use.'),
    redis: redisBroker,
    nats: natsBroker,
    postgres: postgresBroker,
    redisnats: section({ redis: redisBroker, nats: natsBroker }, 'Redis for history, NATS for delivery.'),
  },
  'Broker apart from the engine.',
);

export const presenceManager = section(
  {
    enabled: bool('Uses this presence manager instead of the one of the engine.'),
    type: choice(['memory', 'redis'], 'memory', 'Presence manager to use.'),
    redis: redisPresence,
  },
  'Presence manager apart from the engine.',
);

export const mapBroker = section(
  {
    type: choice(['memory', 'redis', 'postgres'], 'memory', 'Where the state of map channels is kept.'),
    redis: redisMapBroker,
    postgres: postgresMapBroker,
  },
  'Broker of map channels.',
);

export const controller = section(
  {
    enabled: bool('Uses this controller instead of the one of the engine.'),
    type: choice(['', 'postgres'], '', 'Controller to use.'),
    postgres: postgresController,
  },
  'Messages between nodes, apart from the engine.',
);
