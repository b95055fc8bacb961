/**
 * Subscribers of fanout, channels and slow. Each checks that it gets every publication of every publisher once and in order.
 * Those of `slow` that stop reading may be disconnected, but until then they too must not miss anything.
 */

import { Client, openEach } from '../client.mjs';
import { dueAt, inGroups, micros } from '../clock.mjs';
import { Cues, share } from '../crew.mjs';
import { ENCODINGS, readStamp } from '../encodings.mjs';
import { Meter } from '../meter.mjs';

const stamp = { publisher: 0, sequence: 0, dueUs: 0 };

class Subscriber {
  received = 0;
  faults = 0;
  lost = null;

  /** @param {(stamp: object, channel: number, bytes: Buffer, from: number, to: number) => boolean} read */
  constructor(index, options, read, onDelivery) {
    this.channel = index % options.channels;
    this.isSlow = options.scenario === 'slow' && index % 100 === 99;
    this.delta = options.delta === 'off' ? {} : { delta: options.delta };
    this.next = new Uint32Array(options.publishers);
    this.client = new Client({
      options,
      index,
      user: `bench-${index}`,
      onPush: (bytes, from, to) => {
        if (!read(stamp, this.channel, bytes, from, to)) return;
        if (stamp.sequence !== this.next[stamp.publisher]++) this.faults++;
        this.received++;
        onDelivery(this, stamp.dueUs, to - from);
      },
      onLost: (why) => {
        this.lost = why;
        onDelivery(this, 0, 0);
      },
    });
  }

  open(name) {
    return this.client.open({ subscribe: { channel: name, ...this.delta } });
  }

  isDone(totals) {
    return this.received === totals[this.channel] || this.lost !== null;
  }
}

export default async function subscribers({ options, first, step, port }) {
  const cues = new Cues(port);
  let meter = new Meter(Number.POSITIVE_INFINITY);
  let totals = null;
  let unfinished = 0;
  let finish;
  const finished = new Promise((resolve) => {
    finish = resolve;
  });

  const onDelivery = (subscriber, dueUs, bytes) => {
    if (dueUs > 0 && !subscriber.isSlow) meter.publication(dueUs, micros(), bytes);
    if (totals !== null && subscriber.isDone(totals) && --unfinished === 0) finish();
  };
  let plan = null;
  const read =
    options.delta === 'off'
      ? (into, _channel, bytes, from, to) => readStamp(bytes, from, to, into)
      : (into, channel, bytes, from, to) => readOffset(into, channel, bytes, from, to);
  function readOffset(into, channel, bytes, from, to) {
    const offset = ENCODINGS[options.protocol].decode(bytes, from, to).push?.pub?.offset ?? 0;
    if (offset === 0) return false;
    Object.assign(into, { publisher: 0, sequence: offset - 1, dueUs: dueOf(offset - 1, channel, options, plan) });
    return true;
  }
  const all = [...share(options.subscribers, first, step)].map(
    (index) => new Subscriber(index, options, read, onDelivery),
  );
  await openEach(all, (subscriber) => subscriber.open(`${options.prefix}${subscriber.channel}`));
  cues.tell('ready');

  plan = await cues.of('go');
  meter = new Meter(plan.fromUs);
  for (const { isSlow, client } of all) if (isSlow) client.socket.socket.pause();

  const stopped = cues.of('stop');
  const published = await Promise.race([cues.of('published'), stopped.then(() => [])]);
  for (const { isSlow, client } of all) if (isSlow) client.socket.socket.resume();
  unfinished = all.filter((subscriber) => !subscriber.isDone(published)).length;
  totals = published;
  if (unfinished > 0) await Promise.race([finished, stopped]);

  for (const { client } of all) client.close();
  cues.close();
  return { ...summary(all, published), meter: meter.export() };
}

/** When a publication was due that came as a delta and does not say it: channels have turns. */
const dueOf = (sequence, channel, { channels, batch }, plan) =>
  dueAt(inGroups(plan, batch), Math.floor((sequence * channels + channel) / batch));

function summary(all, totals) {
  const fast = all.filter(({ isSlow }) => !isSlow);
  const slow = all.filter(({ isSlow }) => isSlow);
  const sum = (list, of) => list.reduce((total, item) => total + of(item), 0);
  return {
    faults: sum(all, ({ faults }) => faults),
    lost: sum(fast, ({ lost }) => (lost === null ? 0 : 1)),
    why: fast.find(({ lost }) => lost !== null)?.lost ?? null,
    // A slow one that was not disconnected must have everything, now that it reads again.
    short: sum(all, (one) => ((one.isSlow && one.lost !== null) || one.received === totals[one.channel] ? 0 : 1)),
    slow: slow.length,
    slowClosed: sum(slow, ({ lost }) => (lost === null ? 0 : 1)),
  };
}
