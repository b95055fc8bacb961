/** What is counted while a load runs: in all and second by second. Made in several threads and then added up. */
import { build, decodeFromCompressedBase64 } from 'hdr-histogram-js';

const LATENCY_US_MAX = 600_000_000;
const SECONDS_MAX = 86_400;

/** @param digits  significant decimal digits that are kept of a value. */
const newHistogram = (digits) =>
  build({ lowestDiscernibleValue: 1, highestTrackableValue: LATENCY_US_MAX, numberOfSignificantValueDigits: digits });

const newSecond = () => ({ operations: 0, delivered: 0, latency: newHistogram(2) });

export class Meter {
  operations = 0;
  delivered = 0;
  /** Of the messages that were delivered. */
  receivedBytes = 0;
  latency = newHistogram(3);
  /** Longest until the first subscriber had a publication: a server that pauses shows here, whatever it takes to reach all. */
  firstUsMax = 0;
  #newestDueUs = 0;
  seconds = [];

  /** @param {number} fromUs  what was due earlier is warm-up and not counted. */
  constructor(fromUs) {
    this.fromUs = fromUs;
  }

  /** Operations due together are done. */
  operation(dueUs, nowUs, count = 1) {
    if (dueUs < this.fromUs) return;
    this.operations += count;
    this.#second(nowUs).operations += count;
  }

  delivery(dueUs, nowUs, count = 1) {
    if (dueUs < this.fromUs) return;
    this.delivered += count;
    this.#second(nowUs).delivered += count;
  }

  received(dueUs, bytes) {
    if (dueUs >= this.fromUs) this.receivedBytes += bytes;
  }

  time(dueUs, nowUs) {
    if (dueUs < this.fromUs) return;
    const latency = Math.min(LATENCY_US_MAX, Math.max(1, nowUs - dueUs));
    this.latency.recordValue(latency);
    this.#second(nowUs).latency.recordValue(latency);
  }

  /** A subscriber has a publication. */
  publication(dueUs, nowUs, bytes) {
    this.received(dueUs, bytes);
    this.delivery(dueUs, nowUs);
    this.time(dueUs, nowUs);
    if (dueUs < this.fromUs || dueUs <= this.#newestDueUs) return;
    this.#newestDueUs = dueUs;
    this.firstUsMax = Math.max(this.firstUsMax, nowUs - dueUs);
  }

  #second(nowUs) {
    const second = Math.min(SECONDS_MAX, Math.max(0, Math.floor((nowUs - this.fromUs) / 1e6)));
    while (this.seconds.length <= second) this.seconds.push(newSecond());
    return this.seconds[second];
  }

  /** For another thread. */
  export() {
    const seconds = this.seconds.map((second) => ({ ...second, latency: second.latency.encodeIntoCompressedBase64() }));
    const { fromUs, operations, delivered, receivedBytes, firstUsMax } = this;
    return {
      fromUs,
      firstUsMax,
      operations,
      delivered,
      receivedBytes,
      latency: this.latency.encodeIntoCompressedBase64(),
      seconds,
    };
  }

  /** Adds what {@link export} gave. */
  add(part) {
    this.operations += part.operations;
    this.delivered += part.delivered;
    this.receivedBytes += part.receivedBytes;
    this.firstUsMax = Math.max(this.firstUsMax, part.firstUsMax);
    this.latency.add(decodeFromCompressedBase64(part.latency));
    part.seconds.forEach((second, t) => {
      const own = this.#second(this.fromUs + t * 1e6);
      own.operations += second.operations;
      own.delivered += second.delivered;
      own.latency.add(decodeFromCompressedBase64(second.latency));
    });
  }
}

/** `latency_us` of a result, or null if nothing was timed. */
export function latencyOf(histogram) {
  if (histogram.totalCount === 0) return null;
  // A histogram answers with the highest value that it cannot tell apart.
  const at = (p) => Math.min(histogram.maxValue, histogram.getValueAtPercentile(p));
  return {
    count: histogram.totalCount,
    min: histogram.minNonZeroValue,
    mean: Number(histogram.mean.toFixed(1)),
    p50: at(50),
    p90: at(90),
    p99: at(99),
    p999: at(99.9),
    max: histogram.maxValue,
    histogram: histogram.encodeIntoCompressedBase64(),
  };
}
