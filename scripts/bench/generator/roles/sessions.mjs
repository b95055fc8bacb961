/**
 * Connections that come and go, for connect and recover: each connects with a token, subscribes, has what it missed, and is
 * closed. With `positions` (by channel) everybody comes back from there and must be given exactly what was missed.
 */
import { Client } from '../client.mjs';
import { micros, openLoop } from '../clock.mjs';
import { Cues } from '../crew.mjs';
import { Meter } from '../meter.mjs';

/** Beyond it the server is so far behind that waiting longer shows nothing new. */
const IN_FLIGHT_MAX = 5000;

export default async function sessions({ options, first, step, port }) {
  const cues = new Cues(port);
  cues.tell('ready');
  const { positions, ...plan } = await cues.of('go');
  const meter = new Meter(plan.fromUs);
  const errors = { count: 0, first: null };
  const open = new Set();
  const failed = (error) => {
    errors.count++;
    errors.first ??= error.message;
  };

  const session = async (i, dueUs) => {
    const channel = i % options.channels;
    const name = `${options.prefix}${channel}`;
    const position = positions?.[channel];
    const recover = position && { recover: true, recoverable: true, epoch: position.epoch, offset: position.offset };
    const client = new Client({ options, index: i, user: `bench-${i}` });
    const { subscribe } = await client.open({ subscribe: { channel: name, ...recover } }).finally(() => client.close());
    const now = micros();
    if (position) checkRecovered(subscribe, position, options.missed);
    meter.operation(dueUs, now);
    meter.time(dueUs, now);
    if (position) meter.delivery(dueUs, now, options.missed);
  };

  await openLoop({ ...plan, first, step }, (i, dueUs) => {
    if (open.size >= IN_FLIGHT_MAX) throw new Error(`more than ${IN_FLIGHT_MAX} connections are waiting for an answer`);
    const one = session(i, dueUs)
      .catch(failed)
      .finally(() => open.delete(one));
    open.add(one);
  }).catch(failed);
  await Promise.race([Promise.all(open), cues.of('stop')]);
  if (open.size > 0) failed(new Error(`${open.size} connections got no answer`));
  cues.close();
  return { errors: errors.count, why: errors.first, meter: meter.export() };
}

function checkRecovered({ recovered, publications = [] }, { offset }, missed) {
  const inOrder = publications.every((publication, i) => publication.offset === offset + 1 + i);
  if (!recovered || publications.length !== missed || !inOrder)
    throw new Error(
      `recovered: ${recovered === true}, ${publications.length} of ${missed} publications, in order: ${inOrder}`,
    );
}
