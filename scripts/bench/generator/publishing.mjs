/** Publishers: HTTP requests on a schedule, each publisher a connection of its own. */
import { Api } from './api.mjs';
import { bookPayload } from './book.mjs';
import { inGroups, micros, openLoop } from './clock.mjs';
import { payload } from './encodings.mjs';

const IN_FLIGHT_MAX = 20_000;

/**
 * Which publications go out together, `batch` of them, and as which requests: each alone, all in one batch request, or the
 * same one to `batch` channels. Channels have turns; those of a broadcast always go together, so that its one sequence
 * number is right for all of them.
 */
class Composer {
  perChannel;
  #next = 0;
  #sequences;

  constructor(options) {
    this.options = options;
    this.perChannel = new Array(options.channels).fill(0);
    this.#sequences = Array.from({ length: options.publishers }, () => new Uint32Array(options.channels));
  }

  /** @returns {{method: string, params: object, publications: number}[]} requests, in order */
  compose(publisher, dueUs) {
    const { api, batch } = this.options;
    if (api === 'broadcast') return [this.#broadcast(publisher, dueUs)];
    const all = Array.from({ length: batch }, () => this.#publication(publisher, dueUs));
    if (api === 'single') return all.map((params) => ({ method: 'publish', params, publications: 1 }));
    return [{ method: 'batch', params: { commands: all.map((publish) => ({ publish })) }, publications: batch }];
  }

  #publication(publisher, dueUs) {
    const channel = this.#next++ % this.options.channels;
    return { channel: this.#name(channel), data: this.#data(publisher, channel, dueUs) };
  }

  #broadcast(publisher, dueUs) {
    const { channels, batch } = this.options;
    const first = (this.#next++ % Math.ceil(channels / batch)) * batch;
    const together = Array.from({ length: Math.min(batch, channels - first) }, (_, i) => first + i);
    const data = this.#data(publisher, first, dueUs);
    for (const channel of together.slice(1)) this.perChannel[channel]++;
    const params = { channels: together.map((channel) => this.#name(channel)), data };
    return { method: 'broadcast', params, publications: together.length };
  }

  #data(publisher, channel, dueUs) {
    this.perChannel[channel]++;
    const sequence = this.#sequences[publisher][channel]++;
    if (this.options.payload === 'book') return bookPayload(publisher, sequence, dueUs);
    return payload(publisher, sequence, dueUs, this.options.size);
  }

  #name = (channel) => `${this.options.prefix}${channel}`;
}

/**
 * Publishes on schedule, `batch` publications at a time.
 *
 * @param {object} options of the generator, with `prefix` of channels
 * @param {import('./clock.mjs').Plan & {onAnswer?: (dueUs: number, publications: number) => void}} plan
 *   of publications, rounded up to whole batches
 * @returns {Promise<{perChannel: number[], errors: number, why: string | null}>}
 */
export async function publish(options, { onAnswer = () => {}, ...plan }) {
  const { publishers, batch } = options;
  const connections = Array.from({ length: publishers }, () => new Api(options));
  const composer = new Composer(options);
  const failures = { errors: 0, why: null };
  const pending = new Set();
  const failed = (error) => {
    failures.errors++;
    failures.why ??= error.message;
  };
  const send = (connection, { method, params, publications }, dueUs) => {
    const one = connection
      .call(method, params)
      .then(() => onAnswer(dueUs, publications), failed)
      .finally(() => pending.delete(one));
    pending.add(one);
  };
  await openLoop(inGroups(plan, batch), (i, dueUs) => {
    if (pending.size >= IN_FLIGHT_MAX) throw new Error(`more than ${IN_FLIGHT_MAX} requests are waiting for an answer`);
    const publisher = i % publishers;
    for (const request of composer.compose(publisher, dueUs)) send(connections[publisher], request, dueUs);
  }).catch(failed);
  await Promise.all(pending);
  for (const connection of connections) connection.close();
  return { perChannel: composer.perChannel, ...failures };
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
