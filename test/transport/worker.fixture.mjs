/** A worker thread with a child app: tells its slot on every connection and request, and winds down as a worker does. */
import { parentPort, workerData } from 'node:worker_threads';
import { ChildApps } from '../../dist/transport/child.js';
import { registerHttp } from '../../dist/transport/http-server.js';
import { registerWebSocket } from '../../dist/transport/websocket.js';

const slot = String(workerData.slot);
const sockets = new Set();

const register = (app) => {
  registerWebSocket(app, {
    path: '/ws',
    options: {
      compression: false,
      compression_min_size: 0,
      compression_level: 1,
      read_buffer_size: 0,
      use_write_buffer_pool: false,
      write_buffer_size: 0,
      write_timeout: 1000,
      message_size_limit: 65536,
      decompressed_message_size_limit: 0,
    },
    allowsOrigin: () => true,
    admit: () => 'ok',
    headers: [],
    open(socket) {
      sockets.add(socket);
      socket.send(Buffer.from(slot), false);
      return {
        receive() {
          throw new Error('boom');
        },
        drained() {},
        ponged() {},
        closed: () => sockets.delete(socket),
      };
    },
    onError: (error) => parentPort.postMessage({ failed: error.message }),
  });
  registerHttp(
    app,
    [{ path: '/slot', headers: [], maxBodyBytes: 0, handle: () => ({ status: 200, body: slot }) }],
    (error) => parentPort.postMessage({ failed: error.message }),
  );
};
const child = new ChildApps([{ register, certificate: workerData.certificate }]);

parentPort.on('message', async (message) => {
  if (message.certificate) {
    child.renew([message.certificate]);
    parentPort.postMessage({ descriptor: child.descriptors[0] });
  }
  if (message !== 'removed') return;
  for (const socket of sockets) socket.end(3001, 'shutdown');
  await child.close();
  parentPort.postMessage({ closed: sockets.size });
  parentPort.close();
});
parentPort.postMessage({ descriptor: child.descriptors[0] });
