import { writePublications } from '../protocol/json-entries.js';
import type { JsonWriter } from '../protocol/json-writer.js';
import type { HistoryResult, Publication } from '../protocol/messages.js';
import { clientInfo, hasHistory, whyNot, writeClientInfo } from './channel.js';
import { apiErrors, fromClientError } from './errors.js';
import {
  boolean,
  int32,
  json,
  list,
  optional,
  record,
  required,
  shape,
  string,
  uint64,
  type Values,
} from './fields.js';
import type { Method } from './method.js';
import { position } from './position.js';

const fields = {
  channel: required(string('Name of the channel.')),
  limit: int32('How many publications at most; negative for all, 0 for none but the position of the stream.'),
  since: optional(shape(position), 'Only publications after this one, or before it if `reverse`.'),
  reverse: boolean('The newest first.'),
};

export type HistoryRequest = Values<typeof fields>;

const publication = shape({
  data: json('What was published.'),
  info: optional(clientInfo, 'Who published, if that was a client.'),
  offset: uint64('Number of the publication in the stream.'),
  tags: record(string('Value.'), 'Labels that it was published with.'),
});

export const history: Method<HistoryRequest, HistoryResult> = {
  name: 'history',
  about: {
    tag: 'Channels',
    summary: 'Publications of a channel',
    description: 'Reads the history of a channel and the position of its stream. The oldest publication comes first.',
    example: { channel: 'news', limit: 10 },
  },
  request: shape(fields),
  result: shape({
    publications: list(publication, 'Publications that are kept.'),
    epoch: position.epoch,
    offset: uint64('Offset of the newest publication of the stream, kept or not; 0 if there was none.'),
  }),

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
    writePublications(w, publications, writePublication);
    w.key('epoch');
    w.text(epoch);
    w.key('offset');
    w.digits(offset);
  },
};

function writePublication(w: JsonWriter, { data, json, info, offset, tags }: Publication): void {
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
}
