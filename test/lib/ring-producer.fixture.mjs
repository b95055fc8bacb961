/** Fills a ring with records of random size: | u32 sequence | a part of the pattern, from where the sequence says | */
import { workerData } from 'node:worker_threads';
import { RingWriter } from '../../dist/lib/ring.js';

const { memory, records, maxBytes, seed, pattern } = workerData;
const writer = new RingWriter(memory);
const record = Buffer.alloc(maxBytes);
let random = seed;

for (let sequence = 0; sequence < records; sequence++) {
  random = (Math.imul(random, 1664525) + 1013904223) >>> 0;
  const length = 4 + ((random >>> 8) % (maxBytes - 3));
  record.writeUInt32LE(sequence, 0);
  record.set(pattern.subarray(sequence & 0xff, (sequence & 0xff) + length - 4), 4);
  const view = record.subarray(0, length);
  // Batches of unequal size; a refused record shows what there is, so that the consumer can make room.
  while (!writer.write(view)) writer.publish();
  if (random % 7 === 0) writer.publish();
}
writer.publish();
