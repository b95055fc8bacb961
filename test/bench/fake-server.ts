/** As much of a server as a load generator needs for fanout, which delivers what it is told to. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type WebSocket, WebSocketServer } from 'ws';

/** @param deliver  given the number of a publication, from 0, how often each subscriber gets it. */
export async function startFakeServer(deliver: (publication: number) => number): Promise<FakeServer> {
  const subscribers = new Set<WebSocket>();
  let publications = 0;
  const http = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (text) => {
      body += text;
    });
    request.on('end', () => {
      response.setHeader('Content-Type', 'application/json');
      if (request.url === '/api/info') response.end('{"result":{"nodes":[{"version":"1"}]}}');
      else {
        const { channel, data } = JSON.parse(body) as { channel: string; data: unknown };
        const push = JSON.stringify({ push: { channel, pub: { data } } });
        const times = deliver(publications++);
        for (const subscriber of subscribers) for (let i = 0; i < times; i++) subscriber.send(push);
        response.end('{"result":{}}');
      }
    });
  });
  const webSockets = new WebSocketServer({ server: http, path: '/connection/websocket' });
  webSockets.on('connection', (socket) => {
    socket.on('message', (text) => {
      for (const line of String(text).split('\n')) {
        const { id, subscribe } = JSON.parse(line) as { id?: number; subscribe?: object };
        if (subscribe !== undefined) subscribers.add(socket);
        if (id !== undefined)
          socket.send(JSON.stringify({ id, [subscribe === undefined ? 'connect' : 'subscribe']: {} }));
      }
    });
  });
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(http.address() as AddressInfo).port}`,
    stop: () =>
      new Promise((resolve) => {
        for (const socket of webSockets.clients) socket.terminate();
        webSockets.close();
        http.close(() => resolve());
        http.closeAllConnections();
      }),
  };
}

export interface FakeServer {
  readonly url: string;
  stop(): Promise<void>;
}
