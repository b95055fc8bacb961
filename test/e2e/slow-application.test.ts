/** An application that takes its time costs those that wait for it, and nobody else. */
import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { Application, type Asked } from '../support/application.js';
import { GrpcApplication } from '../support/grpc-application.js';
import { connected, json } from '../support/sdk.js';
import { startServer, type TestServer, WORKERS } from '../support/server.js';

/** Fewer than a worker may have under way, for each worker. */
const CLIENTS = 1000;

describe.each([
  ['over HTTP', () => Application.open()],
  ['over gRPC', () => GrpcApplication.open()],
])('%s', (_protocol, start: () => Promise<Asked>) => {
  let application: Asked;
  let server: TestServer;

  beforeAll(async () => {
    application = await start();
    server = await startServer({
      client: { proxy: { connect: { enabled: true, endpoint: application.endpoint('connect'), timeout: '120s' } } },
      channel: { without_namespace: { allow_subscribe_for_client: true, allow_publish_for_client: true } },
      rpc: { ping: { enabled: true } },
    });
  });

  afterAll(async () => {
    await server.stop();
    await application.close();
  });

  test('it is asked by all who connect at once, while others go on as ever', { timeout: 120_000 }, async () => {
    // One on each worker, that have come with a token.
    const others = await Promise.all(Array.from({ length: WORKERS }, () => connected(server, json, 'ann')));
    const heard = await Promise.all(others.map((other) => other.subscribe('chat')));
    application.hold({ result: { user: 'bob' } });
    const allHaveAsked = new Promise<void>((resolve) => {
      application.onHeld = () => application.waiting === CLIENTS && resolve();
    });

    const sockets = Array.from({ length: CLIENTS }, () => new WebSocket(server.websocket));
    const connects = sockets.map(async (socket) => {
      await once(socket, 'open');
      socket.send('{"id":1,"connect":{}}');
      const [reply] = (await once(socket, 'message')) as [Buffer];
      return JSON.parse(String(reply)) as { connect?: { client: string } };
    });
    // No answer before all have asked: they do not wait for each other.
    await allHaveAsked;

    for (const other of others) await other.centrifuge.rpc('ping', {});
    for (let n = 0; n < 10; n++) await others[n % WORKERS]!.centrifuge.publish('chat', { n });
    for (const each of heard) expect(await each.data(10)).toHaveLength(10);
    expect(application.waiting).toBe(CLIENTS);

    application.release();
    const replies = await Promise.all(connects);
    expect(new Set(replies.map(({ connect }) => connect?.client)).size).toBe(CLIENTS);
    expect(application.maxInFlight).toBe(CLIENTS);
    for (const socket of sockets) socket.terminate();
  });
});
