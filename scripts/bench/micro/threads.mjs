/**
 * Records between threads: Gyre's mesh, ringbuf.js and MessagePort.
 *
 *   one thread   write 64 records, publish, drain: the code alone, without a second core
 *   one way      records a second between two threads, shown in batches of 64, in order of arrival checked
 *   round trip   one record there and back, both threads asleep in between
 */
import { once } from 'node:events';
import { performance } from 'node:perf_hooks';
import { MessageChannel, receiveMessageOnPort, Worker } from 'node:worker_threads';
import { RingBuffer } from 'ringbuf.js';
import { Bench } from 'tinybench';
import { createRing, RingReader, RingWriter } from '../../../dist/lib/ring.js';
import { BATCH_RECORDS, transports } from './transports.mjs';

const SIZES_BYTES = [256, 2048];
const ROUND_TRIP_BYTES = 256;
const WARM_UP_SHARE = 0.1;

function ownRing(record, ringBytes) {
  const memory = createRing(ringBytes);
  const writer = new RingWriter(memory);
  const reader = new RingReader(memory);
  const take = (bytes, start) => bytes[start];
  return () => {
    for (let i = 0; i < BATCH_RECORDS; i++) writer.write(record);
    writer.publish();
    reader.drain(take);
  };
}

function ringbufRing(record, ringBytes) {
  const ring = new RingBuffer(RingBuffer.getStorageForCapacity(ringBytes, Uint8Array), Uint8Array);
  const framed = new Uint8Array(4 + record.length);
  const received = new Uint8Array(record.length);
  const length = new Uint8Array(4);
  new DataView(framed.buffer).setUint32(0, record.length, true);
  return () => {
    for (let i = 0; i < BATCH_RECORDS; i++) {
      framed.set(record, 4);
      ring.push(framed);
    }
    while (ring.pop(length, 4) === 4) ring.pop(received, record.length);
  };
}

function messagePort(record) {
  const { port1, port2 } = new MessageChannel();
  return () => {
    for (let i = 0; i < BATCH_RECORDS; i++) port1.postMessage(record);
    while (receiveMessageOnPort(port2) !== undefined);
  };
}

export async function oneThread({ milliseconds, ring }) {
  const results = [];
  for (const bytes of SIZES_BYTES) {
    const bench = new Bench({ time: milliseconds, warmupTime: milliseconds / 5 });
    const record = new Uint8Array(bytes);
    bench.add('ring', ownRing(record, ring));
    bench.add('ringbuf.js', ringbufRing(record, ring));
    bench.add('MessagePort', messagePort(record));
    for (const { name, result } of await bench.run())
      results.push({ name, bytes, nsPerRecord: (result.latency.p50 * 1e6) / BATCH_RECORDS });
  }
  return results;
}

/** @param onRecord  called with each record's number. @returns the near end, after the far one is ready and was told to go. */
export async function openPeer(name, mode, { count, bytes, ring, every = 1 }, onRecord) {
  const { ends, ports } = transports[name].createEnds(ring);
  const [near, end] = ends;
  const peer = new Worker(new URL('./peer.mjs', import.meta.url), {
    workerData: { transport: name, end, mode, count, bytes, every },
    transferList: ports,
  });
  await once(peer, 'message');
  const link = transports[name].connect(near, onRecord);
  peer.postMessage('go');
  const close = async () => {
    link.close();
    await peer.terminate();
  };
  return { link, close };
}

/** @returns records a second, or NaN if one was missing or out of order. */
async function oneWay(name, bytes, { records, ring }) {
  const warmUp = Math.ceil(records * WARM_UP_SHARE);
  const count = warmUp + records;
  let next = 0;
  let startedAt = 0;
  let finish;
  const finished = new Promise((resolve) => {
    finish = resolve;
  });
  const { close } = await openPeer(name, 'send', { count, bytes, ring }, (number) => {
    if (number !== next++) return finish(Number.NaN);
    if (next === warmUp) startedAt = performance.now();
    if (next === count) finish((records * 1000) / (performance.now() - startedAt));
  });
  const rate = await finished;
  await close();
  return rate;
}

/** @returns microseconds of each round, sorted; empty if an answer was wrong. */
async function roundTrip(name, { rounds, ring }) {
  const warmUp = Math.ceil(rounds * WARM_UP_SHARE);
  const count = warmUp + rounds;
  const micros = new Float64Array(count);
  const record = new Uint8Array(ROUND_TRIP_BYTES);
  const number = new DataView(record.buffer);
  let round = 0;
  let startedAt = 0;
  let finish;
  const finished = new Promise((resolve) => {
    finish = resolve;
  });
  const ping = () => {
    number.setUint32(0, round, true);
    startedAt = performance.now();
    link.send(record);
  };
  const { link, close } = await openPeer(name, 'echo', { count, bytes: ROUND_TRIP_BYTES, ring }, (received) => {
    micros[round] = (performance.now() - startedAt) * 1000;
    if (received !== round) finish(new Float64Array());
    else if (++round === count) finish(micros.slice(warmUp).sort());
    else ping();
  });
  ping();
  link.flush();
  const sorted = await finished;
  await close();
  return sorted;
}

const percentile = (sorted, p) => sorted[Math.min(sorted.length - 1, Math.floor((sorted.length * p) / 100))];
const median = (values) => percentile(values.toSorted(), 50);

/** @param measure  called for every candidate in turn, `repeats` times. @returns its results by candidate. */
async function inTurn(names, repeats, measure) {
  const results = new Map(names.map((name) => [name, []]));
  for (let i = 0; i < repeats; i++) for (const name of names) results.get(name).push(await measure(name));
  return results;
}

export async function twoThreads(options) {
  const ways = [];
  for (const bytes of SIZES_BYTES) {
    const records = Math.ceil((options.records * SIZES_BYTES[0]) / bytes);
    const measured = await inTurn(Object.keys(transports), options.repeats, (name) =>
      oneWay(name, bytes, { ...options, records }),
    );
    for (const [name, rates] of measured)
      ways.push({ name, bytes, recordsPerSecond: rates.some(Number.isNaN) ? null : median(rates) });
  }
  const trips = [];
  for (const [name, runs] of await inTurn(['mesh', 'MessagePort'], options.repeats, (n) => roundTrip(n, options))) {
    const of = (p) => (runs.some((run) => run.length === 0) ? null : median(runs.map((run) => percentile(run, p))));
    trips.push({ name, bytes: ROUND_TRIP_BYTES, p50Us: of(50), p99Us: of(99) });
  }
  return { oneWay: ways, roundTrip: trips };
}
