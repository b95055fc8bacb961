/** The command line of a load generator: the same for the JavaScript and the native one. */
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { defaultsOf, SCENARIOS } from '../scenarios.mjs';

const THREADS_DEFAULT_MAX = 8;

/** Half the cores: the other half is for the server and for the thread that publishes. */
const defaultThreads = () => Math.min(THREADS_DEFAULT_MAX, Math.max(1, Math.floor(availableParallelism() / 2)));

const number = (min, max) => (name, text) => {
  const value = Number(text);
  if (text.trim() !== '' && value >= min && value <= max) return value;
  throw new RangeError(`--${name} must be a number from ${min} to ${max}`);
};
export const whole = (min, max) => (name, text) => {
  const value = number(min, max)(name, text);
  if (Number.isInteger(value)) return value;
  throw new RangeError(`--${name} must be an integer`);
};
const oneOf =
  (...values) =>
  (name, text) => {
    if (values.includes(text)) return text;
    throw new RangeError(`--${name} must be one of ${values.join(', ')}`);
  };
const text = (_, value) => value;
const list = (_, value) => value.split(',').filter((item) => item !== '');

/** What the load is: shown in results as `parameters`. */
export const LOAD_OPTIONS = {
  protocol: { read: oneOf('json', 'protobuf'), help: 'of WebSocket connections: json or protobuf' },
  seconds: { read: number(0.1, 86_400), help: 'of measurement' },
  warmup: { read: number(0, 3600), help: 'seconds of load before, which is not measured' },
  'warmup-rate': {
    read: number(0.1, 10_000_000),
    help: 'operations a second before measurement; by default as measured',
  },
  rate: { read: number(0.1, 10_000_000), help: 'operations a second' },
  size: { read: whole(0, 60_000), help: 'bytes of JSON of a publication' },
  subscribers: { read: whole(0, 10_000_000), help: 'connections with a subscription' },
  channels: { read: whole(1, 10_000_000), help: 'channels they are spread over' },
  publishers: { read: whole(1, 100_000), help: 'connections that operations are spread over' },
  batch: {
    read: whole(1, 10_000),
    help: 'publications at a time: single requests, one batch request, or one broadcast to so many channels',
  },
  api: { read: oneOf('single', 'batch', 'broadcast'), help: 'kind of publish requests: single, batch or broadcast' },
  history: { read: oneOf('on', 'off'), help: 'publish to channels with history: on or off' },
  missed: { read: whole(0, 1000), help: 'publications to recover, or to read from history' },
  payload: {
    read: oneOf('padding', 'book'),
    help: 'of publications: padding to --size, or an order book of 1.5 KB in which little changes, in channels with deltas',
  },
  delta: { read: oneOf('off', 'fossil'), help: 'that subscribers of order books ask for: off or fossil' },
  threads: { read: whole(1, 256), help: 'of clients; by default half the cores', default: defaultThreads() },
};

const SERVER_OPTIONS = {
  url: { read: text, help: 'of the server', default: 'http://127.0.0.1:8000' },
  'api-key': { read: text, help: 'of the HTTP API', default: 'benchmark' },
  secret: { read: text, help: 'HMAC secret of connection tokens', default: 'benchmark' },
  pid: { read: whole(1, 2 ** 31), help: 'process whose CPU time and memory are measured' },
  redis: { read: list, help: 'addresses host:port of Redis whose CPU time is measured' },
  addresses: { read: list, help: 'local addresses to connect from' },
};

const camel = (name) => name.replace(/-(\w)/g, (_, letter) => letter.toUpperCase());

/**
 * @param {string[]} argv scenario and flags
 * @returns options by name: the load, the server, `scenario`, `json` (no text on stderr) and `tlsInsecure`.
 * @throws {RangeError | TypeError} that names the option.
 */
export function readOptions(argv) {
  const flags = { ...LOAD_OPTIONS, ...SERVER_OPTIONS };
  const { values, positionals } = parseArgs({
    args: argv,
    allowPositionals: true,
    options: {
      ...Object.fromEntries(Object.keys(flags).map((name) => [name, { type: 'string' }])),
      'tls-insecure': { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
    },
  });
  const scenario = positionals[0];
  if (positionals.length !== 1 || !Object.hasOwn(SCENARIOS, scenario))
    throw new RangeError(`name one scenario: ${Object.keys(SCENARIOS).join(', ')}`);
  const options = { scenario, tlsInsecure: values['tls-insecure'], json: values.json };
  const defaults = defaultsOf(scenario);
  for (const [name, { read, default: fallback }] of Object.entries(flags)) {
    const given = values[name];
    options[camel(name)] = given === undefined ? (defaults[name] ?? fallback) : read(name, given);
  }
  options.warmupRate ??= options.rate;
  checkDelta(options);
  return options;
}

/** Deltas are told apart by their offsets, so the order of publications must be known. */
function checkDelta({ delta, payload, publishers, api }) {
  if (delta === 'off') return;
  if (payload !== 'book') throw new RangeError('--delta fossil takes --payload book');
  if (publishers !== 1) throw new RangeError('--delta fossil takes --publishers 1');
  if (api === 'broadcast') throw new RangeError('--delta fossil does not take --api broadcast');
}

/** The load options, as `parameters` of a result. */
export const parametersOf = (options) =>
  Object.fromEntries(Object.keys(LOAD_OPTIONS).map((name) => [name, options[camel(name)]]));

export const help = () =>
  Object.entries({ ...SERVER_OPTIONS, ...LOAD_OPTIONS })
    .map(([name, option]) => `  --${name.padEnd(14)}${option.help}`)
    .concat('  --tls-insecure  accept any certificate', '  --json          only the result, no text')
    .join('\n');
