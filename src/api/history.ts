import { JsonFields } from '../protocol/json-reader.js';
import type { JsonWriter } from '../protocol/json-writer.js';
import type { HistoryResult, Publication } from '../protocol/messages.js';
import { type ChannelRequest, hasHistory, whyNot, writeClientInfo } from './channel.js';
import { apiErrors, fromClientError } from './errors.js';
import { type Method, readRequest } from './method.js';
import { emptyPosition, type Position, positionFields } from './position.js';

export interface HistoryRequest extends ChannelRequest {
  /** 0: the position only; negative: everything. */
  limit: number;
  since: Position | undefined;
  reverse: boolean;
}

const fields = new JsonFields<HistoryRequest>({
  channel: (r) => r.string(),
  limit: (r) => r.int32(),
  since: (r) => r.object(emptyPosition(), positionFields),
  reverse: (r) => r.boolean(),
});

export const history: Method<HistoryRequest, HistoryResult> = {
  name: 'history',
  read: (reader) => readRequest(reader, { channel: '', limit: 0, since: undefined, reverse: false }, fields),

  run({ channel, limit, since, reverse }, deps, done) {
    const refusal = whyNot(channel, deps, hasHistory);
    if (refusal !== null) return done(refusal, undefined);
    // There is nothing before the beginning.
    if (reverse && since?.offset === 0) return done(apiErrors.badRequest, undefined);
    deps.channels.history(channel, { limit: Math.max(-1, limit), since, reverse }, (error, result) => {
      if (error !== null) return done(fromClientError(error), undefined);
      const sameEpoch = since === undefined || since.epoch === '' || since.epoch === result!.epoch;
      if (sameEpoch) done(null, result);
      else done(apiErrors.unrecoverablePosition, undefined);
    });
  },

  write(w, { publications, epoch, offset }) {
    w.key('publications');
    w.ascii('[');
    for (const publication of publications) {
      w.comma();
      writePublication(w, publication);
    }
    w.ascii(']');
    w.key('epoch');
    w.text(epoch);
    w.key('offset');
    w.digits(offset);
  },
};

function writePublication(w: JsonWriter, { data, json, info, offset, tags }: Publication): void {
  w.open();
  w.payloadField('data', data, json);
  if (info !== undefined) {
    w.key('info');
    writeClientInfo(w, info);
  }
  w.numberField('offset', offset);
  const names = Object.keys(tags ?? {}).sort();
  if (names.length > 0) {
    w.key('tags');
    w.open();
    for (const name of names) {
      w.textKey(name);
      w.text(tags![name]!);
    }
    w.close();
  }
  w.close();
}
