import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { WebSocket } from 'ws';
import { hmacToken } from '../auth/make-token.js';
import { connected, json, newClient, next, type SdkClient } from '../support/sdk.js';
import { type ConfigPart, type StartOptions, startServer, type TestServer } from '../support/server.js';

async function start(config: ConfigPart, options: StartOptions = {}): Promise<TestServer> {
  const server = await startServer(config, options);
  onTestFinished(() => server.stop());
  return server;
}

interface Ended {
  code: number;
  reason: string;
}

const ending = ({ centrifuge }: SdkClient): Promise<Ended> => next<Ended>(centrifuge, 'connecting');

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as AddressInfo;
  probe.close();
  await once(probe, 'close');
  return port;
}

test('SIGTERM closes all connections with 3001 and ends with 0; clients find the next server on the same port', async () => {
  const port = await freePort();
  const config = { shutdown: { timeout: '10s' } };
  const server = await start(config, { port });
  const clients = await Promise.all(Array.from({ length: 12 }, (_, i) => connected(server, json, `user${i}`)));
  // Those that have not said who they are hear of it too; one that never reads holds nothing up.
  const [silent, deaf] = [0, 1].map(() => new WebSocket(server.websocket).on('error', () => {}));
  await Promise.all([once(silent!, 'open'), once(deaf!, 'open')]);
  deaf!.pause();
  const silentEnded = once(silent!, 'close');
  const ended = Promise.all(clients.map(ending));
  server.signal('SIGTERM');
  server.signal('SIGTERM');
  for (const end of await ended) expect(end).toEqual({ code: 3001, reason: 'shutdown' });
  expect(String(await silentEnded)).toBe('3001,shutdown');
  expect(await server.exited).toBe(0);
  await start(config, { port });
  await Promise.all(clients.map(({ centrifuge }) => centrifuge.ready()));
});

test('SIGINT ends it as well', async () => {
  const server = await start({});
  server.signal('SIGINT');
  expect(await server.exited).toBe(0);
});

test('SIGHUP brings new channel options and token keys, and keeps the connections', async () => {
  const namespace = { name: 'later', allow_subscribe_for_client: true };
  const newKey = 'another token key of the tests';
  const server = await start({});
  const clients = await Promise.all(Array.from({ length: 4 }, (_, i) => connected(server, json, `user${i}`)));
  const publish = () => server.call('publish', { channel: 'later:news', data: {} });
  const unknown = { code: 102, message: 'unknown channel' };
  expect((await publish()).error).toEqual(unknown);

  server.writeConfig({
    channel: { namespaces: [namespace] },
    client: { token: { hmac_secret_key: newKey } },
  });
  server.signal('SIGHUP');
  await server.logged(({ msg }) => msg === 'channel options and token keys are reloaded');
  // Four in turn are answered by four workers, each of which has heard of it or is about to.
  await expect
    .poll(async () => (await Promise.all([publish(), publish(), publish(), publish()])).map(({ error }) => error))
    .toEqual([undefined, undefined, undefined, undefined]);
  const subscriptions = await Promise.all(clients.map((client) => client.subscribe('later:news')));
  await server.publish('later:news', { n: 1 });
  for (const subscription of subscriptions) expect(await subscription.data(1)).toEqual([{ n: 1 }]);
  for (const { sockets } of clients) expect(sockets).toHaveLength(1);

  const former = newClient(server, json, 'former');
  const refused = next<Ended>(former.centrifuge, 'disconnected');
  former.centrifuge.connect();
  expect((await refused).code).toBe(3500);
  await connected(server, json, 'new', { token: hmacToken({ sub: 'new' }, newKey) });

  server.writeConfig({ channel: { namespaces: [{ ...namespace, history_size: -1 }] } });
  server.signal('SIGHUP');
  const { err } = await server.logged(({ msg }) => msg.startsWith('the configuration cannot be used'));
  expect(JSON.stringify(err)).toContain('history_size');
  expect((await publish()).error).toBeUndefined();
});
