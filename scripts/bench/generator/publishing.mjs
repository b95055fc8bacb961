/** Publishers: HTTP requests on a schedule, each publisher a connection of its own. */
import { Api } from './api.mjs';
import { micros, openLoop } from './clock.mjs';
import { payload } from './encodings.mjs';

const IN_FLIGHT_MAX = 20_000;

/**
 * Publishes on schedule. A request carries one publication; with `api: batch` `batch` of them, to one channel after the
 * other; with `api: broadcast` one to all channels. All publications of a request are due together.
 *
 * @param {object} options of the generator, with `prefix` of channels
 * @param {{startUs: number, count: number, onAnswer?: (dueUs: number, publications: number) => void}} plan
 *   count: publications, rounded up to whole requests
 * @returns {Promise<{perChannel: number[], published: number, errors: number, why: string | null}>}
 */
export async function publish(options, { startUs, count, onAnswer = () => {} }) {
  const { publishers, channels, rate } = options;
  const perRequest = publicationsPerRequest(options);
  const connections = Array.from({ length: publishers }, () => new Api(options));
  const sequences = connections.map(() => new Uint32Array(channels));
  const totals = { perChannel: new Array(channels).fill(0), published: 0, errors: 0, why: null };
  const pending = new Set();
  let nextChannel = 0;

  const publication = (publisher, dueUs) => {
    const channel = nextChannel++ % channels;
    totals.perChannel[channel]++;
    const data = payload(publisher, sequences[publisher][channel]++, dueUs, options.size);
    return { channel: `${options.prefix}${channel}`, data };
  };
  const request = (publisher, dueUs) => {
    if (options.api === 'broadcast') {
      const names = totals.perChannel.map((_, channel) => `${options.prefix}${channel}`);
      for (let channel = 0; channel < channels; channel++) totals.perChannel[channel]++;
      const data = payload(publisher, sequences[publisher][0]++, dueUs, options.size);
      return ['broadcast', { channels: names, data }];
    }
    if (options.api === 'single') return ['publish', publication(publisher, dueUs)];
    const commands = Array.from({ length: perRequest }, () => ({ publish: publication(publisher, dueUs) }));
    return ['batch', { commands }];
  };
  const failed = (error) => {
    totals.errors++;
    totals.why ??= error.message;
  };

  const schedule = { startUs, rate: rate / perRequest, count: Math.ceil(count / perRequest) };
  await openLoop(schedule, (i, dueUs) => {
    if (pending.size >= IN_FLIGHT_MAX) throw new Error(`more than ${IN_FLIGHT_MAX} requests are waiting for an answer`);
    const publisher = i % publishers;
    const [method, params] = request(publisher, dueUs);
    totals.published += perRequest;
    const one = connections[publisher]
      .call(method, params)
      .then(() => onAnswer(dueUs, perRequest), failed)
      .finally(() => pending.delete(one));
    pending.add(one);
  }).catch(failed);
  await Promise.all(pending);
  for (const connection of connections) connection.close();
  return totals;
}

export function publicationsPerRequest({ api, batch, channels }) {
  if (api === 'broadcast') return channels;
  return api === 'batch' ? batch : 1;
}

/** Puts `missed` publications into each channel, and tells where the streams stood before: `{epoch, offset}` by channel. */
export async function fill(options) {
  const api = new Api(options, 8);
  const positions = await Promise.all(
    Array.from({ length: options.channels }, async (_, channel) => {
      const name = `${options.prefix}${channel}`;
      const { epoch, offset = 0 } = await api.call('history', { channel: name, limit: 0 });
      for (let i = 0; i < options.missed; i++)
        await api.call('publish', { channel: name, data: payload(0, i, micros(), options.size) });
      return { epoch, offset };
    }),
  );
  api.close();
  return positions;
}
