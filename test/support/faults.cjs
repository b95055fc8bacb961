/**
 * Preloaded into every thread of a server under test: makes a worker throw or hang when the test says so. A blocked
 * thread stands for one in an endless loop: its event loop does not turn either, and it can be told to go on.
 * Also tells the test the seed by which channels are placed.
 */
const { BroadcastChannel, isMainThread, workerData } = require('node:worker_threads');

const orders = new BroadcastChannel('faults');

if (isMainThread) {
  const locks = new Map();
  const lockOf = (worker) => {
    if (!locks.has(worker)) locks.set(worker, new Int32Array(new SharedArrayBuffer(4)));
    return locks.get(worker);
  };
  process.on('message', ({ fault, worker }) => {
    const lock = lockOf(worker);
    if (fault === 'resume') {
      Atomics.store(lock, 0, 1);
      Atomics.notify(lock, 0);
    } else {
      Atomics.store(lock, 0, 0);
      orders.postMessage({ fault, worker, lock });
    }
  });
  orders.onmessage = ({ data: news }) => process.send(news);
  process.channel.unref();
  orders.unref();
} else if (workerData?.wires !== undefined) {
  orders.postMessage({ hashSeed: workerData.hashSeed });
  orders.onmessage = ({ data: { fault, worker, lock } }) => {
    if (worker !== workerData.wires.self) return;
    orders.postMessage({ struck: worker });
    if (fault === 'hang') Atomics.wait(lock, 0, 0);
    else
      setImmediate(() => {
        throw new Error('made to fail');
      });
  };
  orders.unref();
}
