/**
 * Clients of presence: watchers, who are told of everybody that comes and goes, and visitors, who subscribe and unsubscribe
 * in turn. An operation is one of the two, timed until it is acknowledged. A watcher must be told of each exactly once.
 */
import { Client, openEach } from '../client.mjs';
import { micros, openLoop } from '../clock.mjs';
import { Cues, share } from '../crew.mjs';
import { Meter } from '../meter.mjs';

const VISITOR = Buffer.from('visitor-');
/** Of operations for one visitor, which can only do one after the other. */
const QUEUE_MAX = 1000;

export default async function visitors({ options, first, step, port }) {
  const cues = new Cues(port);
  let meter = null;
  let total = Number.POSITIVE_INFINITY;
  let told = 0;
  let finish;
  const finished = new Promise((resolve) => {
    finish = resolve;
  });
  const errors = { count: 0, first: null };
  const failed = (error) => {
    errors.count++;
    errors.first ??= error.message;
  };
  const nameOf = (index) => `${options.prefix}${index % options.channels}`;

  const watchers = [...share(options.subscribers, first, step)].map((index) => {
    const channel = index % options.channels;
    const client = new Client({
      options,
      index,
      user: `watcher-${index}`,
      onLost: (why) => failed(new Error(why)),
      onPush: (bytes, from, to) => {
        const at = bytes.indexOf(VISITOR, from);
        if (at < 0 || at >= to || meter === null) return;
        told++;
        const now = micros();
        meter.delivery(now, now);
        if (told >= total) finish();
      },
    });
    return { client, channel };
  });
  await openEach(watchers, ({ client, channel }) => client.open({ subscribe: { channel: nameOf(channel) } }));

  const ownVisitors = [...share(options.publishers, first, step)].map((index) => ({
    client: new Client({ options, index: options.subscribers + index, user: `visitor-${index}` }),
    channel: nameOf(index),
    isIn: false,
    queued: 0,
    last: Promise.resolve(),
  }));
  await openEach(ownVisitors, ({ client }) => client.open({ subscribe: { channel: `bench:${client.setup.user}` } }));
  cues.tell('ready');

  const plan = await cues.of('go');
  meter = new Meter(plan.fromUs);
  const operate = async (visitor, dueUs) => {
    const { client, channel } = visitor;
    await client.ask(visitor.isIn ? { unsubscribe: { channel } } : { subscribe: { channel } });
    visitor.isIn = !visitor.isIn;
    const now = micros();
    meter.operation(dueUs, now);
    meter.time(dueUs, now);
  };
  await openLoop({ ...plan, first, step }, (i, dueUs) => {
    // Visitor i mod publishers, so that conductor and watchers know how often each channel is visited.
    const visitor = ownVisitors[Math.floor(i / step) % ownVisitors.length];
    if (visitor.queued >= QUEUE_MAX) throw new Error(`a visitor has ${QUEUE_MAX} operations ahead`);
    visitor.queued++;
    visitor.last = visitor.last
      .then(() => operate(visitor, dueUs))
      .catch(failed)
      .finally(() => visitor.queued--);
  }).catch(failed);
  const stopped = cues.of('stop');
  await Promise.race([Promise.all(ownVisitors.map(({ last }) => last)), stopped]);

  const perChannel = new Map();
  cues.tell('visited', visits(ownVisitors, plan.count, first, step));
  for (const part of await Promise.race([cues.of('visits'), stopped.then(() => [])]))
    for (const [channel, times] of part) perChannel.set(channel, (perChannel.get(channel) ?? 0) + times);
  total = watchers.reduce((sum, { channel }) => sum + (perChannel.get(nameOf(channel)) ?? 0), 0);
  if (told < total) await Promise.race([finished, stopped]);
  for (const { client } of [...watchers, ...ownVisitors]) client.close();
  cues.close();
  return { errors: errors.count, why: errors.first, told, expected: total, meter: meter.export() };
}

/** How many operations each channel had from the visitors of this thread. */
function visits(ownVisitors, count, first, step) {
  const times = new Map();
  const operations = [...share(count, first, step)].length;
  ownVisitors.forEach(({ channel }, k) => {
    const own = Math.floor(operations / ownVisitors.length) + (k < operations % ownVisitors.length ? 1 : 0);
    times.set(channel, (times.get(channel) ?? 0) + own);
  });
  return [...times];
}
