/**
 * The scenarios: what each measures, and the load that it gets where the command line does not say.
 * Both load generators know them by these names; the defaults here are those of the JavaScript one.
 */

/** What every scenario has, unless its own defaults say otherwise. */
const COMMON = {
  protocol: 'json',
  seconds: 5,
  warmup: 1,
  rate: 100,
  size: 128,
  subscribers: 0,
  channels: 1,
  publishers: 1,
  batch: 1,
  api: 'single',
  history: 'off',
  missed: 0,
  payload: 'padding',
  delta: 'off',
};

/**
 * `delivers`: the figure to look at is CPU per delivery, not per operation.
 * `operation`: what one operation is, in words.
 */
export const SCENARIOS = {
  fanout: {
    summary: 'one channel, many subscribers',
    operation: 'publication',
    delivers: true,
    defaults: { subscribers: 200, rate: 100 },
  },
  channels: {
    summary: 'many channels, few subscribers each',
    operation: 'publication',
    delivers: true,
    defaults: { subscribers: 500, channels: 250, rate: 400, publishers: 4 },
  },
  publish: {
    summary: 'publishing through the HTTP API',
    operation: 'publication',
    defaults: { channels: 100, rate: 500, publishers: 8 },
  },
  connect: {
    summary: 'connections with a token and a subscription, closed again',
    operation: 'connection',
    defaults: { channels: 100, rate: 100 },
  },
  recover: {
    summary: 'clients that come back and recover what they missed',
    operation: 'connection',
    defaults: { channels: 10, rate: 100, missed: 20 },
  },
  idle: {
    summary: 'memory and CPU of connections that do nothing',
    operation: 'connection',
    defaults: { subscribers: 2000, channels: 2000, seconds: 10 },
  },
  presence: {
    summary: 'clients that come and go where all are told',
    operation: 'join or leave',
    defaults: { subscribers: 100, channels: 10, publishers: 20, rate: 200 },
  },
  slow: {
    summary: 'one in a hundred subscribers stops reading',
    operation: 'publication',
    delivers: true,
    defaults: { subscribers: 100, rate: 50, size: 8192 },
  },
  rpc: {
    summary: 'round trips of clients over their connections',
    operation: 'round trip',
    defaults: { publishers: 50, rate: 500 },
  },
  history: {
    summary: 'reading history through the HTTP API',
    operation: 'read',
    defaults: { channels: 50, rate: 300, publishers: 8, missed: 20 },
  },
};

export const defaultsOf = (scenario) => ({ ...COMMON, ...SCENARIOS[scenario].defaults });
