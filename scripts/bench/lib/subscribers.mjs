/**
 * A process full of subscribers, driven by messages from its parent:
 *   {open: {url, token, first, count, channels}}  -> {opened}           connect and subscribe, `count` more connections
 *   {expect: n}                                   -> {result} later     count n publications on every connection from now
 *   {stop: true}                                  -> {result}           report now what has arrived
 * It also says {lost: why} when a connection ends that should not.
 */
import { build } from 'hdr-histogram-js';
import { dueOf, micros, offsetOf, WireSocket } from './wire.mjs';

const CONNECTS_IN_FLIGHT_MAX = 100;
const CONNECTIONS_PER_ADDRESS_MAX = 10_000;
const SUBSCRIBE_ID = 2;
const SUBSCRIBED = Buffer.from(`{"id":${SUBSCRIBE_ID},"subscribe":`);

const subscribers = [];
let latency = newHistogram();
let expected = 0;
let unfinished = 0;

/** To the parent, which may already be gone. */
function tell(message) {
  if (process.connected) process.send(message, () => {});
}

function newHistogram() {
  return build({ lowestDiscernibleValue: 1, highestTrackableValue: 60_000_000, numberOfSignificantValueDigits: 3 });
}

class Subscriber {
  received = 0;
  faults = 0;
  lastOffset = -1;

  /** Resolves when the subscription is acknowledged. */
  open(url, token, channel, localAddress) {
    const hello = [
      { id: 1, connect: token ? { token } : {} },
      { id: SUBSCRIBE_ID, subscribe: { channel } },
    ];
    return new Promise((resolve, reject) => {
      this.wire = new WireSocket({
        url,
        localAddress,
        hello: hello.map((command) => JSON.stringify(command)).join('\n'),
        onMessage: (bytes, from, to) => {
          if (this.ready) this.#publication(bytes, from, to);
          else this.#handshake(bytes, from, to, resolve, reject);
        },
        onLost: (why) => {
          this.faults++;
          reject(new Error(why));
          tell({ lost: why });
        },
      });
    });
  }

  #handshake(bytes, from, to, resolve, reject) {
    const text = bytes.toString('utf8', from, to);
    if (text.includes('"error":')) reject(new Error(text));
    if (bytes.compare(SUBSCRIBED, 0, SUBSCRIBED.length, from, from + SUBSCRIBED.length) !== 0) return;
    this.ready = true;
    this.lastOffset = JSON.parse(text).subscribe.offset ?? 0;
    resolve();
  }

  #publication(bytes, from, to) {
    const due = dueOf(bytes, from, to);
    if (due < 0) return; // join, leave or a publication of somebody else
    const offset = offsetOf(bytes, from, to);
    if (offset !== this.lastOffset + 1) this.faults++;
    this.lastOffset = offset;
    if (expected === 0) return;
    latency.recordValue(Math.max(1, micros() - due));
    if (++this.received === expected) finished();
  }
}

function finished() {
  if (--unfinished === 0) report();
}

async function open({ url, token, first, count, channels }) {
  const target = new URL(url);
  let next = 0;
  const opener = async () => {
    while (next < count) {
      const index = first + next++;
      const subscriber = new Subscriber();
      subscribers.push(subscriber);
      const host = 2 + Math.floor(index / CONNECTIONS_PER_ADDRESS_MAX);
      await subscriber.open(target, token, channels[index % channels.length], `127.0.0.${host}`);
    }
  };
  await Promise.all(Array.from({ length: CONNECTS_IN_FLIGHT_MAX }, opener));
  tell({ opened: subscribers.length });
}

function expectPublications(count) {
  latency = newHistogram();
  expected = count;
  unfinished = subscribers.length;
  for (const subscriber of subscribers) {
    subscriber.received = 0;
    subscriber.faults = 0;
  }
  tell({ expecting: count });
  if (unfinished === 0) report(); // fewer subscribers than processes: nothing to wait for here
}

function report() {
  let received = 0;
  let faults = 0;
  let short = 0;
  for (const subscriber of subscribers) {
    received += subscriber.received;
    faults += subscriber.faults;
    if (subscriber.received !== expected) short++;
  }
  expected = 0;
  tell({ result: { received, faults, short, latency: latency.encodeIntoCompressedBase64() } });
}

process.on('message', (message) => {
  if (message.open) open(message.open).catch((error) => tell({ failed: error.message }));
  else if (message.expect) expectPublications(message.expect);
  else if (message.stop && expected > 0) report();
});
process.on('disconnect', () => process.exit(0));
