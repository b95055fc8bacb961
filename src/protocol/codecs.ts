import type { Codec } from './codec.js';
import { jsonCodec } from './json.js';
import { protobufCodec } from './protobuf.js';

export { jsonCodec, protobufCodec };

export function codecFor(name: Codec['name']): Codec {
  return name === 'json' ? jsonCodec : protobufCodec;
}
