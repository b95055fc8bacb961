import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createLog } from '../../src/observe/log.js';
import { errors } from '../../src/protocol/codes.js';
import { directoryWith } from '../config/helpers.js';

test('errors are logged with their stack, frozen errors of the protocol as they are', () => {
  const file = join(directoryWith({}), 'log');
  const log = createLog({ level: 'info', file }, { worker: 3 });
  log.error({ err: new TypeError('broken') }, 'first');
  log.error({ err: errors.internal }, 'second');
  log.debug('not this');
  const lines = readFileSync(file, 'utf8').trim().split('\n');
  const [first, second, ...more] = lines.map((line) => JSON.parse(line) as { err: { stack: string } });
  expect(first).toMatchObject({ worker: 3, msg: 'first', err: { type: 'TypeError', message: 'broken' } });
  expect(first!.err.stack).toContain('log.test');
  expect(second).toMatchObject({ msg: 'second', err: { code: 100, message: 'internal server error' } });
  expect(more).toEqual([]);
});
