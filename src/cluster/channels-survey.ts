/** The survey `channels` in Centrifugo's encoding (`apiproto.ChannelsRequest`, `ChannelsResult`). */
import type { ChannelsAnswer } from '../api/survey.js';
import type { Bytes } from '../protocol/messages.js';
import { ProtoFields, ProtoReader } from '../protocol/proto-reader.js';
import { ProtoWriter } from '../protocol/proto-writer.js';

const writer = new ProtoWriter();

export function encodeChannelsRequest(pattern: string): Buffer {
  writer.reset().textField(1, pattern);
  return writer.copy();
}

/** @throws ProtoError */
export function decodeChannelsRequest(bytes: Bytes): string {
  return new ProtoReader(bytes).fields({ pattern: '' }, requestFields).pattern;
}

export function encodeChannelsResult(channels: ChannelsAnswer): Buffer {
  const w = writer.reset();
  for (const [name, members] of channels) {
    const entry = w.open(1);
    w.textField(1, name);
    w.message(2, writeInfo, members);
    w.close(entry);
  }
  return w.copy();
}

/** @throws ProtoError */
export function decodeChannelsResult(bytes: Bytes): ChannelsAnswer {
  const { channels } = new ProtoReader(bytes).fields<Result>({ channels: [] }, resultFields);
  return channels.map(({ name, info }) => [name, info.members] as const);
}

interface Info {
  members: number;
}
interface Entry {
  name: string;
  info: Info;
}
interface Result {
  channels: Entry[];
}

function writeInfo(w: ProtoWriter, members: number): void {
  w.numberField(1, members);
}

const requestFields = new ProtoFields<{ pattern: string }>({ pattern: [1, (r) => r.string()] });
const infoFields = new ProtoFields<Info>({ members: [1, (r) => r.uint32()] });
const entryFields = new ProtoFields<Entry>({
  name: [1, (r) => r.string()],
  info: [2, (r, old) => r.message(old, infoFields)],
});
/** A map on the wire is a list of entries; here it stays one, because a channel may be called `__proto__`. */
const resultFields = new ProtoFields<Result>({
  channels: [
    1,
    (r, old) => {
      old.push(r.message({ name: '', info: { members: 0 } }, entryFields));
      return old;
    },
  ],
});
