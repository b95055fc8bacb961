/** The other thread of the micro bench: sends numbered records as fast as they are taken, or sends back each, or one of several. */
import { parentPort, workerData } from 'node:worker_threads';
import { BATCH_RECORDS, transports } from './transports.mjs';

const { transport, end, mode, count, bytes, every } = workerData;
const record = new Uint8Array(bytes);
const number = new DataView(record.buffer);

let heard = 0;
const link = transports[transport].connect(end, (received) => {
  if (++heard % every > 0) return;
  number.setUint32(0, received, true);
  link.send(record);
});

let sent = 0;
function send() {
  while (sent < count) {
    const until = Math.min(count, sent + BATCH_RECORDS);
    while (sent < until) {
      number.setUint32(0, sent, true);
      if (!link.send(record)) {
        link.flush();
        setImmediate(send);
        return;
      }
      sent++;
    }
    link.flush();
  }
}

parentPort.once('message', () => {
  if (mode === 'send') send();
});
// Keeps the thread alive until it is terminated: rings and waits alone do not.
setInterval(() => {}, 1000);
parentPort.postMessage('ready');
