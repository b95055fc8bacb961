/** What a client sends aside of its stream: the wire's EmulationRequest. Source: `client.proto`. */
import { JsonFields } from './json-fields.js';
import { readObject } from './json-reader.js';
import type { Bytes } from './messages.js';
import { ProtoFields, ProtoReader } from './proto-reader.js';
import { ProtoWriter } from './proto-writer.js';

export interface EmulationRequest {
  /** Uid of the node that has the session. */
  node: string;
  session: string;
  /** A frame: for a JSON connection a JSON string that holds it, for a Protobuf one the frame itself. */
  data: Bytes;
}

const NO_BYTES = Buffer.alloc(0);

const empty = (): EmulationRequest => ({ node: '', session: '', data: NO_BYTES });

const jsonFields = new JsonFields<EmulationRequest>({
  node: (r) => r.string(),
  session: (r) => r.string(),
  data: (r) => r.raw(),
});

const protoFields = new ProtoFields<EmulationRequest>({
  node: [1, (r) => r.string()],
  session: [2, (r) => r.string()],
  data: [3, (r) => r.bytes()],
});

/** `data` is a view. @throws JsonError */
export const decodeJsonEmulation = (body: Bytes): EmulationRequest => readObject(body, empty(), jsonFields);

/** `data` is a view. @throws ProtoError */
export const decodeProtoEmulation = (body: Bytes): EmulationRequest =>
  new ProtoReader(body).fields(empty(), protoFields);

const writer = new ProtoWriter();

export function encodeEmulation({ node, session, data }: EmulationRequest): Buffer {
  const w = writer.reset();
  w.textField(1, node);
  w.textField(2, session);
  w.bytesField(3, data);
  return w.copy();
}
