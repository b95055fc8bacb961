/**
 * Ways to carry records between two threads, behind one interface, for the micro bench:
 *
 *   createEnds(bytes) → { ends: [near, far], ports }   `far` goes to the other thread, `ports` in its transfer list
 *   connect(end, onRecord) → { send(record), flush(), close() }
 *     onRecord(number)  the first four bytes of each record; the rest stays where it is
 *     send              false when full: nothing was sent then; the record is copied
 *     flush             shows what was sent
 */
import { MessageChannel } from 'node:worker_threads';
import { RingBuffer } from 'ringbuf.js';
import { Turn } from '../../../dist/lib/turn.js';
import { SharedDoorbell } from '../../../dist/mesh/doorbell.js';
import { Mesh } from '../../../dist/mesh/mesh.js';
import { doorbellFor } from '../../../dist/mesh/watch.js';
import { createBells, createWires, portsOf } from '../../../dist/mesh/wires.js';

const KIND = 31;

/** Gyre's own: ring, link, doorbell and turn as the server uses them. */
const mesh = {
  createEnds(ringBytes) {
    const [far, near] = createWires(1, ringBytes);
    return { ends: [near, far], ports: portsOf([...far.outgoing, ...far.incoming]) };
  },
  connect(wires, onRecord) {
    const turn = new Turn({ before: () => own.drain(), after: () => own.publish() });
    const schedule = () => turn.schedule();
    const own = new Mesh(wires, schedule, doorbellFor(wires, turn));
    own.on(KIND, (record) => onRecord(record.u32le()));
    schedule();
    const to = 1 - wires.self;
    let framed = Buffer.alloc(0);
    return {
      send(record) {
        if (framed.length !== 1 + record.length) framed = Buffer.alloc(1 + record.length, KIND);
        framed.set(record, 1);
        return own.send(to, framed);
      },
      flush: () => own.publish(),
      close: () => own.close(),
    };
  },
};

/** ringbuf.js with a length in front of each record, and Gyre's doorbell. */
const ringbuf = {
  createEnds(ringBytes) {
    const rings = [0, 1].map(() => RingBuffer.getStorageForCapacity(ringBytes, Uint8Array));
    const bells = createBells(1);
    return { ends: [0, 1].map((self) => ({ self, bells, out: rings[self], in: rings[1 - self] })), ports: [] };
  },
  connect({ self, bells, out, in: incoming }, onRecord) {
    const writer = new RingBuffer(out, Uint8Array);
    const reader = new RingBuffer(incoming, Uint8Array);
    const schedule = () => turn.schedule();
    const doorbell = new SharedDoorbell(bells, self, schedule);
    const length = new Uint8Array(4);
    const lengthWord = new Uint32Array(length.buffer);
    const received = Buffer.alloc(1 << 16);
    let framed = new Uint8Array(4);
    let sent = false;
    const drain = () => {
      while (reader.pop(length, 4) === 4) {
        reader.pop(received, lengthWord[0]);
        onRecord(received.readUInt32LE(0));
      }
    };
    const flush = () => {
      if (sent) doorbell.ring(1 - self);
      sent = false;
      doorbell.arm(() => !reader.empty());
    };
    const turn = new Turn({ before: drain, after: flush });
    schedule();
    return {
      send(record) {
        const bytes = 4 + record.length;
        if (framed.length !== bytes) {
          framed = new Uint8Array(bytes);
          new DataView(framed.buffer).setUint32(0, record.length, true);
        }
        if (writer.available_write() < bytes) return false;
        framed.set(record, 4);
        writer.push(framed);
        sent = true;
        schedule();
        return true;
      },
      flush,
      close: () => doorbell.close(),
    };
  },
};

/** MessagePort has no bound of its own; it is given the same one, as bytes under way. */
const messagePort = (recordsPerMessage) => ({
  createEnds(windowBytes) {
    const { port1, port2 } = new MessageChannel();
    const received = [0, 1].map(() => new SharedArrayBuffer(4));
    const ends = [port1, port2].map((port, self) => ({
      port,
      windowBytes,
      received: received[self],
      receivedThere: received[1 - self],
    }));
    return { ends, ports: [port2] };
  },
  connect({ port, windowBytes, received, receivedThere }, onRecord) {
    const [mine, theirs] = [new Int32Array(received), new Int32Array(receivedThere)];
    const batch = [];
    let sent = 0;
    const first = (record) => record[0] | (record[1] << 8) | (record[2] << 16) | (record[3] << 24);
    port.on('message', (records) => {
      for (const record of records) onRecord(first(record) >>> 0);
      Atomics.add(mine, 0, records.length);
      flush();
    });
    const flush = () => {
      if (batch.length > 0) port.postMessage(batch.splice(0));
    };
    return {
      send(record) {
        if (sent - Atomics.load(theirs, 0) >= windowBytes / record.length) return false;
        batch.push(record.slice());
        sent++;
        if (batch.length >= recordsPerMessage) flush();
        return true;
      },
      flush,
      close: () => port.close(),
    };
  },
});

export const transports = {
  mesh,
  'ringbuf.js': ringbuf,
  MessagePort: messagePort(1),
  'MessagePort batched': messagePort(64),
};

/** Records shown at once, as the mesh does per turn. */
export const BATCH_RECORDS = 64;
