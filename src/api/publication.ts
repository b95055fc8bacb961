/** What publish and broadcast have in common: one payload, checked and encoded once, to one channel or many. */
import { acceptsData } from '../channels/data-format.js';
import type { ChannelOptions } from '../config/config.js';
import type { PublishResult } from '../engine/engine.js';
import { decodeBase64 } from '../lib/base64.js';
import { ENTRY_DELTA, ENTRY_JSON, lendEntry, payloadOf } from '../protocol/entry.js';
import type { JsonWriter } from '../protocol/json-writer.js';
import type { Payload } from '../protocol/messages.js';
import type { ApiDeps } from './deps.js';
import { apiErrors, fromClientError } from './errors.js';
import { base64, boolean, payload, record, shape, string, uint64, type Values } from './fields.js';
import type { ApiDone } from './method.js';

export const publicationFields = {
  data: payload('What subscribers get: any JSON, passed on as it stands.'),
  b64data: base64('What subscribers get, instead of `data`: bytes that need not be JSON.'),
  skipHistory: boolean('Sends to subscribers without keeping the publication in the history.'),
  tags: record(string('Value.'), 'Labels that travel with the publication; subscribers may filter by them.'),
  idempotencyKey: string('Publications with the key of an earlier one (in the last 5 minutes) are not made again.'),
  delta: boolean('Sends only the difference to the publication before to subscribers that asked for it.'),
  version: uint64(
    'Number of the state that `data` is. Older or equal states than the last one are dropped; 0 is no version.',
  ),
  versionEpoch: string('Names the numbering of versions: with another one, versions begin anew.'),
};

export type PublicationRequest = Values<typeof publicationFields>;

/** A suppressed publication is answered as if it had been published. */
export const published = shape({
  offset: uint64('Number of the publication in the history. Left out where there is none.'),
  epoch: string('Names the numbering of offsets. Left out where there is no history.'),
});

const NO_DATA: Payload = { bytes: Buffer.alloc(0), isJsonLine: true };

/** A request's publication, to be sent to any number of channels. */
export class Outgoing {
  private constructor(
    private readonly request: PublicationRequest,
    private readonly payload: Payload,
  ) {}

  /** @returns undefined if `b64data` is not base64. */
  static of(request: PublicationRequest): Outgoing | undefined {
    if (request.b64data === '') return new Outgoing(request, request.data ?? NO_DATA);
    const data = decodeBase64(request.b64data);
    return data && new Outgoing(request, payloadOf(data));
  }

  send(channel: string, options: ChannelOptions, { channels }: ApiDeps, done: ApiDone<PublishResult>): void {
    const { bytes: data, isJsonLine } = this.payload;
    if (!acceptsData(options.publication_data_format, data)) {
      done(apiErrors.badRequest, undefined);
      return;
    }
    const { idempotencyKey, version, versionEpoch } = this.request;
    // So that the owner need not look up that there is none.
    const skipHistory = this.request.skipHistory || options.history_size === 0;
    const delta = this.request.delta || options.delta_publish;
    const flags = (isJsonLine ? ENTRY_JSON : 0) | (delta ? ENTRY_DELTA : 0);
    const entry = lendEntry({ data, tags: this.request.tags, version }, flags);
    channels.publish(channel, entry, { skipHistory, idempotencyKey, version, versionEpoch, delta }, (error, result) => {
      if (error !== null) done(fromClientError(error), undefined);
      else done(null, result);
    });
  }
}

export function writePublished(w: JsonWriter, result: PublishResult): void {
  w.numberField('offset', result.offset);
  w.textField('epoch', result.epoch);
}
