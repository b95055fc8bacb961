import { Client, credentials, status } from '@grpc/grpc-js';
import { expect, onTestFinished, test } from 'vitest';
import { failure } from '../support/grpc.js';
import { serveApi } from './serving.js';

const PATH = '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo';

/** Field `number` of a ServerReflectionRequest, all of which are short text; the answer is searched, not decoded. */
function ask(port: number, number: number, text: string): Promise<string> {
  const client = new Client(`localhost:${port}`, credentials.createInsecure());
  onTestFinished(() => client.close());
  const same = (message: Buffer): Buffer => message;
  const call = client.makeBidiStreamRequest(PATH, same, same);
  call.write(Buffer.concat([Buffer.of((number << 3) | 2, text.length), Buffer.from(text)]));
  call.end();
  return new Promise((resolve, reject) => {
    call.once('data', (answer: Buffer) => resolve(answer.toString('latin1')));
    call.once('error', reject);
  });
}

test('reflection lists the service, and describes it with names as clients write them; it asks for no key', async () => {
  const { port } = await serveApi({ reflection: true, key: 'the key' });
  expect(await ask(port, 7, '')).toContain('centrifugal.centrifugo.api.CentrifugoApi');
  const described = await ask(port, 4, 'centrifugal.centrifugo.api.PublishRequest');
  expect(described).toContain('idempotency_key');
  expect(described).not.toContain('idempotencyKey');
});

test('only where it is configured', async () => {
  const { port } = await serveApi();
  expect((await failure(ask(port, 7, ''))).code).toBe(status.UNIMPLEMENTED);
});
