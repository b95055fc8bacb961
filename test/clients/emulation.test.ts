import { beforeEach, describe, expect, test } from 'vitest';
import { answerEmulation, Emulation, emulateHere, emulationCodes } from '../../src/clients/emulation.js';
import type { EmulationRequest } from '../../src/protocol/emulation.js';
import { FakeThreads } from '../support/fake-asks.js';
import { type Connection, Rig, token } from '../support/rig.js';

const HERE = 'this node';

let threads: FakeThreads;
let rigs: Rig[];
let emulations: Emulation[];
/** Passed to other nodes. */
let passed: EmulationRequest[];

beforeEach(() => {
  threads = new FakeThreads(2);
  rigs = threads.asks.map((_, slot) => new Rig({ client: { insecure: true } }, threads, slot));
  emulations = rigs.map(({ registry }, slot) => new Emulation(threads.asks[slot]!, registry, HERE));
  passed = [];
  answerEmulation(threads.main, async (request) => {
    passed.push(request);
    return request.node === 'known';
  });
});

const connect = (slot: number, protocol: 'json' | 'protobuf' = 'json'): Promise<Connection> =>
  rigs[slot]!.connect('ann', {}, { transport: 'http_stream', protocol });

const rpc = { id: 7, rpc: { method: 'unknown' } };
const data = Buffer.from(JSON.stringify(JSON.stringify(rpc)));

async function heard(connection: Connection, slot: number): Promise<unknown> {
  await rigs[slot]!.settle();
  return connection.read();
}

test('the connect reply names node and session, which only such transports have', async () => {
  for (const transport of ['http_stream', 'sse'] as const) {
    const connection = rigs[1]!.open({ transport });
    const [reply] = await connection.ask({ id: 1, connect: { token: token({ sub: 'ann' }) } });
    expect(reply.connect).toMatchObject({ session: connection.client.session, node: HERE });
    expect(connection.client.session).toMatch(/^1\.[0-9a-f-]{36}$/);
  }
  const [reply] = await rigs[1]!.open().ask({ id: 1, connect: { token: token({ sub: 'ann' }) } });
  expect(Object.keys(reply.connect as object)).not.toContain('session');
  expect(Object.keys(reply.connect as object)).not.toContain('node');
});

describe('a request', () => {
  test.each([0, 1])('to worker %i reaches a session on worker 1', async (slot) => {
    const connection = await connect(1);
    threads.asks[slot]!.asked.length = 0;
    expect(await emulations[slot]!.pass({ node: HERE, session: connection.client.session, data })).toBe(true);
    expect(await heard(connection, 1)).toMatchObject([{ id: 7, error: { code: 108 } }]);
    // A worker does not ask itself, and nobody else is asked.
    expect(threads.asks[slot]!.asked).toEqual(slot === 1 ? [] : ['1 emulate']);
  });

  test('carries a Protobuf frame as it is', async () => {
    const connection = await connect(0, 'protobuf');
    // { id: 7, rpc: {} }
    const frame = Buffer.from('0408076a00', 'hex');
    await emulations[1]!.pass({ node: HERE, session: connection.client.session, data: frame });
    expect(await heard(connection, 0)).toMatchObject([{ id: 7, error: { code: 108 } }]);
  });

  test('for another node goes there, unless it is unknown', async () => {
    const request = { node: 'known', session: 's', data };
    expect(await emulations[0]!.pass(request)).toBe(true);
    expect(await emulations[0]!.pass({ ...request, node: '' })).toBe(false);
    expect(passed).toEqual([request, { ...request, node: '' }]);
  });

  test('from another node is answered with what came of it', async () => {
    const connection = await connect(1);
    const { session } = connection.client;
    expect(await emulateHere(threads.main, { session, data })).toBe(0);
    expect(await heard(connection, 1)).toMatchObject([{ id: 7 }]);
    for (const none of ['', 'x', '1', '1.x', '2.x', '-1.x', '1.5.x', 'NaN.x', ` ${session}`, session.slice(0, -1)]) {
      expect(await emulateHere(threads.main, { session: none, data })).toBe(emulationCodes.noSession);
    }
    for (const malformed of ['', '{}', '1', '"a', '"a" x']) {
      expect(await emulateHere(threads.main, { session, data: Buffer.from(malformed) })).toBe(
        emulationCodes.badRequest,
      );
    }
    expect(connection.closeCode).toBeUndefined();
  });

  test('is rejected when the worker does not answer', async () => {
    const { session } = (await connect(1)).client;
    threads.dead.add(1);
    await expect(emulations[0]!.pass({ node: HERE, session, data })).rejects.toMatchObject({ code: 100 });
  });
});

test('what a request carries is held to the same rules as a WebSocket message', async () => {
  const connection = await connect(0);
  await emulations[0]!.pass({ node: HERE, session: connection.client.session, data: Buffer.from('"not JSON"') });
  await rigs[0]!.settle();
  expect(connection.closeCode).toBe(3501);
});

test('a session is gone with its connection', async () => {
  const connection = await connect(0);
  connection.client.closed();
  expect(await emulateHere(threads.main, { session: connection.client.session, data })).toBe(emulationCodes.noSession);
});
