import { expect, onTestFinished, test } from 'vitest';
import { RUNNING_MAX_REQUESTS, WAITING_MAX_BYTES, WAITING_MAX_REQUESTS } from '../../src/proxy/gate.js';
import { HttpBackend, REPLY_MAX_BYTES } from '../../src/proxy/http-backend.js';
import { Application } from '../support/application.js';
import { until } from '../support/until.js';

const JSON_HEADERS = { 'content-type': 'application/json' };
const BODY = Buffer.from('{}');

function backendAt(endpoint: string, timeoutMs = 10_000): HttpBackend {
  const backend = new HttpBackend({ endpoint, timeoutMs, tls: undefined });
  onTestFinished(() => backend.close());
  return backend;
}

const post = (backend: HttpBackend) => backend.post(JSON_HEADERS, BODY);

test('posts to the path with its query, and gives status and body', async () => {
  const application = await Application.start();
  application.answer = () => ({ text: 'hello' });
  const { status, body } = await post(backendAt(`${application.url}/a/b?c=d`));
  expect([status, Buffer.from(body).toString()]).toEqual([200, 'hello']);
  expect(application.questions[0]).toMatchObject({ method: 'POST', path: '/a/b?c=d', body: {} });
});

test('the body of another status is not read, and its connection is used again', async () => {
  const application = await Application.start();
  const backend = backendAt(application.url);
  application.answer = () => ({ status: 500, text: 'oops' });
  expect(await post(backend)).toEqual({ status: 500, body: Buffer.alloc(0) });
  for (let i = 0; i < 10; i++) await post(backend);
  // The next request may come a moment before the connection of the one before is known to be free.
  expect(application.connections).toBeLessThanOrEqual(2);
});

test('so many at a time, the others in turn', async () => {
  const application = await Application.start();
  application.hold();
  const backend = backendAt(application.url);
  const replies = Array.from({ length: RUNNING_MAX_REQUESTS + 10 }, () => post(backend));
  await until('all connections are used', () => application.waiting === RUNNING_MAX_REQUESTS);
  application.release();
  await until('the rest follows', () => application.waiting === 10);
  application.release();
  expect((await Promise.all(replies)).every(({ status }) => status === 200)).toBe(true);
  expect([application.maxInFlight, application.connections]).toEqual([RUNNING_MAX_REQUESTS, RUNNING_MAX_REQUESTS]);
});

test.each([
  ['requests', WAITING_MAX_REQUESTS, BODY],
  ['bytes', WAITING_MAX_BYTES / (1 << 20), Buffer.alloc(1 << 20, ' ')],
])('the queue has a limit in %s: one more fails at once', async (_what, most, body) => {
  const application = await Application.start();
  application.hold();
  const backend = backendAt(application.url, 60_000);
  const replies = Array.from({ length: RUNNING_MAX_REQUESTS }, () => post(backend));
  for (let i = 0; i < most; i++) replies.push(backend.post(JSON_HEADERS, body));
  const outcomes = Promise.allSettled(replies);
  await expect(post(backend)).rejects.toThrow('too many requests wait');
  await backend.close();
  expect((await outcomes).every(({ status }) => status === 'rejected')).toBe(true);
});

test('whatever waits for an application that does not answer fails in time, and it works again afterwards', async () => {
  const application = await Application.start();
  application.hold();
  const backend = backendAt(application.url, 300);
  const replies = Array.from({ length: RUNNING_MAX_REQUESTS + 5 }, () => post(backend));
  const outcomes = await Promise.allSettled(replies);
  expect(outcomes.every(({ status }) => status === 'rejected')).toBe(true);
  expect(outcomes.map((outcome) => (outcome as PromiseRejectedResult).reason.message)).toContain(
    'no reply within 300 ms',
  );
  application.answer = () => ({ text: 'again' });
  await until('it works again', () =>
    post(backend).then(
      ({ status }) => status === 200,
      () => false,
    ),
  );
});

test('nobody there: refused at once, and works as soon as there is somebody', async () => {
  const application = await Application.start();
  const { port } = application;
  await application.close();
  const backend = backendAt(`http://127.0.0.1:${port}`);
  await expect(post(backend)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  const back = await Application.start(port);
  expect((await post(backend)).status).toBe(200);
  expect(back.questions).toHaveLength(1);
});

test('a connection that breaks in the middle is a failure, and nothing is sent twice', async () => {
  const application = await Application.start();
  const broken = new Promise<void>((resolve) => {
    application.answer = async () => {
      resolve();
      return new Promise(() => {});
    };
  });
  const reply = post(backendAt(application.url));
  await broken;
  const closing = application.close();
  await expect(reply).rejects.toThrow();
  await closing;
  expect(application.questions).toHaveLength(1);
});

test('a reply without end is cut', async () => {
  const application = await Application.start();
  application.answer = () => ({ text: 'x'.repeat(REPLY_MAX_BYTES + 1) });
  await expect(post(backendAt(application.url))).rejects.toMatchObject({ code: 'UND_ERR_RES_EXCEEDED_MAX_SIZE' });
});

test('closing ends what is under way', async () => {
  const application = await Application.start();
  application.hold();
  const backend = backendAt(application.url);
  const reply = post(backend);
  await application.asked(1);
  const ended = expect(reply).rejects.toThrow();
  await backend.close();
  await ended;
});
