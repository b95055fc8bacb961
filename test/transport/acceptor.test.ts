/** One acceptor and worker threads, as in production. Uses the built code: a thread cannot load TypeScript. */
import { once } from 'node:events';
import { createServer } from 'node:net';
import { Worker } from 'node:worker_threads';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { type Acceptor, createAcceptor } from '../../src/transport/acceptor.js';
import type { AppDescriptor } from '../../src/transport/uws.js';
import { closing, connect } from './server.js';

class WorkerThread {
  readonly messages: { failed?: string; closed?: number }[] = [];
  readonly exited: Promise<unknown[]>;
  private constructor(
    private readonly worker: Worker,
    readonly descriptor: AppDescriptor,
  ) {
    worker.on('message', (text) => this.messages.push(text));
    this.exited = once(worker, 'exit');
  }

  static async start(slot: number): Promise<WorkerThread> {
    const worker = new Worker(new URL('./worker.fixture.mjs', import.meta.url), { workerData: { slot } });
    const [{ descriptor }] = await once(worker, 'message');
    return new WorkerThread(worker, descriptor);
  }

  /** @returns the thread's exit code */
  async leave(acceptor: Acceptor): Promise<unknown> {
    acceptor.removeChild(this.descriptor);
    this.worker.postMessage('removed');
    return (await this.exited)[0];
  }
}

let acceptor: Acceptor;
let port = 0;
beforeEach(async () => {
  acceptor = createAcceptor();
  port = await acceptor.listen('127.0.0.1', 0);
});
afterEach(() => acceptor.close());

async function addWorkers(...slots: number[]): Promise<WorkerThread[]> {
  const workers = await Promise.all(slots.map((slot) => WorkerThread.start(slot)));
  for (const worker of workers) acceptor.addChild(worker.descriptor);
  return workers;
}

/** A client and the slot of the worker it is at, which is the first thing it is told. */
async function join(): Promise<[WebSocket, string]> {
  const client = new WebSocket(`ws://127.0.0.1:${port}/ws`);
  const [slot] = await once(client, 'message');
  return [client, String(slot)];
}

const askSlot = async () => (await fetch(`http://127.0.0.1:${port}/slot`, { headers: { connection: 'close' } })).text();

describe('workers', () => {
  it('get connections in turn', async () => {
    const workers = await addWorkers(0, 1, 2);
    const seen = [];
    for (let i = 0; i < 9; i++) seen.push((await join())[1]);
    expect(seen.slice(0, 3).sort()).toEqual(['0', '1', '2']);
    expect(seen.slice(3)).toEqual([...seen.slice(0, 3), ...seen.slice(0, 3)]);
    expect(new Set([await askSlot(), await askSlot(), await askSlot()]).size).toBe(3);
    for (const worker of workers) expect(await worker.leave(acceptor)).toBe(0);
  });

  it('leave without disturbing the others, and their place can be taken', async () => {
    const [first, second] = await addWorkers(0, 1);
    const clients = [await join(), await join()];
    const [atFirst] = clients.find(([, slot]) => slot === '0')!;
    const [atSecond] = clients.find(([, slot]) => slot === '1')!;

    const closed = closing(atFirst);
    expect(await first!.leave(acceptor)).toBe(0);
    expect(await closed).toEqual([3001, 'shutdown']);
    expect(first!.messages).toEqual([{ closed: 0 }]);
    expect([await askSlot(), await askSlot()]).toEqual(['1', '1']);

    const [third] = await addWorkers(2);
    expect([await askSlot(), await askSlot()].sort()).toEqual(['1', '2']);
    const pong = once(atSecond, 'pong');
    atSecond.ping();
    await pong;
    for (const worker of [second!, third!]) expect(await worker.leave(acceptor)).toBe(0);
  });

  it('survive a session that throws, and hear of it', async () => {
    const [worker] = await addWorkers(0);
    const [client] = await join();
    client.send('provoke');
    await expect.poll(() => worker!.messages).toEqual([{ failed: 'boom' }]);
    expect(await askSlot()).toBe('0');
    expect(await worker!.leave(acceptor)).toBe(0);
  });

  it('leave while connections pour in', async () => {
    const [first, second] = await addWorkers(0, 1);
    const joining = Array.from({ length: 100 }, () => join().then(([client]) => client.terminate()));
    const settled = Promise.allSettled(joining);
    expect(await first!.leave(acceptor)).toBe(0);
    await settled;
    expect([await askSlot(), await askSlot()]).toEqual(['1', '1']);
    expect(await second!.leave(acceptor)).toBe(0);
  });
});

describe('an acceptor', () => {
  it('without workers answers 503', async () => {
    const response = await fetch(`http://127.0.0.1:${port}/slot`);
    expect([response.status, await response.text()]).toEqual([503, 'Service Unavailable\n']);
    expect(await connect(`ws://127.0.0.1:${port}/ws`)).toMatchObject({ status: 503 });
  });

  it('listens on several addresses, all of them when none is named', async () => {
    const other = await acceptor.listen('', 0);
    expect(other).not.toBe(port);
    for (const url of [`http://127.0.0.1:${port}`, `http://127.0.0.1:${other}`]) {
      expect((await fetch(url)).status).toBe(503);
    }
  });

  it('refuses connections once closed, and its port is free again', async () => {
    acceptor.close();
    await expect(fetch(`http://127.0.0.1:${port}`)).rejects.toThrow();
    expect(await acceptor.listen('127.0.0.1', port)).toBe(port);
  });

  it('does not share a port with another server', async () => {
    await expect(createAcceptor().listen('127.0.0.1', port)).rejects.toThrow(
      `Cannot listen on 127.0.0.1:${port}: another program is listening there.`,
    );
    const foreign = createServer().listen(0, '127.0.0.1');
    await once(foreign, 'listening');
    const taken = (foreign.address() as { port: number }).port;
    await expect(acceptor.listen('127.0.0.1', taken)).rejects.toThrow('another program is listening there');
    foreign.close();
  });

  it('says when the address is not of this machine', async () => {
    await expect(acceptor.listen('192.0.2.1', 0)).rejects.toThrow(
      'Cannot listen on 192.0.2.1:0: this machine has no such address.',
    );
  });

  it('says when the host name does not exist', async () => {
    await expect(acceptor.listen('no-such-host.invalid', 8000)).rejects.toThrow(
      /^Cannot listen on no-such-host\.invalid:8000: /,
    );
  });
});
