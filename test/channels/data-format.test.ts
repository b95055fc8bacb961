import { expect, test } from 'vitest';
import { acceptsData, type DataFormat } from '../../src/channels/data-format.js';

test.each<[format: DataFormat, data: string, accepted: boolean]>([
  ['', '', false],
  ['', 'anything', true],
  ['binary', '', true],
  ['binary', '\xff', true],
  ['json', '', false],
  ['json', '"text"', true],
  ['json', ' [1, 2] ', true],
  ['json', '{"a":1', false],
  ['json', '1 2', false],
  ['json_object', ' \r\n\t{"a":1}', true],
  ['json_object', '[{}]', false],
  ['json_object', '{"a":1', false],
  ['json_object', '', false],
])('%j takes %j: %s', (format, data, accepted) => {
  expect(acceptsData(format, Buffer.from(data))).toBe(accepted);
});
