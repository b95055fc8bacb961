/** ClientInfo in Protobuf: how presence stores it and how it travels with publications, joins and leaves. */
import type { Bytes, ClientInfo } from './messages.js';
import { ProtoFields, ProtoReader } from './proto-reader.js';
import { ProtoWriter } from './proto-writer.js';

export const clientInfoFields = new ProtoFields<ClientInfo>({
  user: [1, (r) => r.string()],
  client: [2, (r) => r.string()],
  connInfo: [3, (r) => r.bytes()],
  chanInfo: [4, (r) => r.bytes()],
});

export const emptyClientInfo = (): ClientInfo => ({ user: '', client: '', connInfo: undefined, chanInfo: undefined });

export function writeClientInfo(w: ProtoWriter, info: ClientInfo): void {
  w.textField(1, info.user);
  w.textField(2, info.client);
  w.bytesField(3, info.connInfo);
  w.bytesField(4, info.chanInfo);
}

const scratch = new ProtoWriter();

export function encodeClientInfo(info: ClientInfo): Buffer {
  writeClientInfo(scratch.reset(), info);
  return scratch.copy();
}

/** `connInfo` and `chanInfo` are views. @throws ProtoError */
export function decodeClientInfo(bytes: Bytes): ClientInfo {
  return new ProtoReader(bytes).fields(emptyClientInfo(), clientInfoFields);
}
