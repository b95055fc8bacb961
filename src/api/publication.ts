/** What publish and broadcast have in common: one payload, checked and encoded once, to one channel or many. */
import { acceptsData } from '../channels/data-format.js';
import type { ChannelOptions } from '../config/config.js';
import type { PublishResult } from '../engine/engine.js';
import { decodeBase64 } from '../lib/base64.js';
import { ENTRY_DELTA, encodeEntry, payloadFlags } from '../protocol/entry.js';
import type { JsonReader } from '../protocol/json-reader.js';
import type { JsonWriter } from '../protocol/json-writer.js';
import type { Bytes } from '../protocol/messages.js';
import type { ApiDeps } from './deps.js';
import { apiErrors, fromClientError } from './errors.js';
import type { ApiDone } from './method.js';

export interface PublicationRequest {
  /** JSON as it stands in the request. */
  data: Bytes | undefined;
  /** Instead of `data` if not ''. */
  b64data: string;
  skipHistory: boolean;
  tags: Record<string, string> | undefined;
  idempotencyKey: string;
  delta: boolean;
  version: number;
  versionEpoch: string;
}

export const emptyPublication = (): PublicationRequest => ({
  data: undefined,
  b64data: '',
  skipHistory: false,
  tags: undefined,
  idempotencyKey: '',
  delta: false,
  version: 0,
  versionEpoch: '',
});

export const publicationFields = {
  data: (r: JsonReader) => r.raw(),
  b64data: (r: JsonReader) => r.string(),
  skipHistory: (r: JsonReader) => r.boolean(),
  tags: (r: JsonReader) => r.record((value) => value.string()),
  idempotencyKey: (r: JsonReader) => r.string(),
  delta: (r: JsonReader) => r.boolean(),
  version: (r: JsonReader) => r.uint64(),
  versionEpoch: (r: JsonReader) => r.string(),
};

const NO_DATA = Buffer.alloc(0);

/** A request's publication, to be sent to any number of channels. */
export class Outgoing {
  readonly #data: Bytes;
  readonly #flags: number;
  /** Without and with the delta flag, which namespaces may set. */
  readonly #entries: [Bytes?, Bytes?] = [];

  private constructor(
    private readonly request: PublicationRequest,
    data: Bytes,
    flags: number,
  ) {
    this.#data = data;
    this.#flags = flags;
  }

  /** @returns undefined if `b64data` is not base64. */
  static of(request: PublicationRequest): Outgoing | undefined {
    if (request.b64data === '') {
      const data = request.data ?? NO_DATA;
      return new Outgoing(request, data, payloadFlags(data, true));
    }
    const data = decodeBase64(request.b64data);
    return data && new Outgoing(request, data, payloadFlags(data));
  }

  send(channel: string, options: ChannelOptions, { channels }: ApiDeps, done: ApiDone<PublishResult>): void {
    if (!acceptsData(options.publication_data_format, this.#data)) {
      done(apiErrors.badRequest, undefined);
      return;
    }
    const { skipHistory, idempotencyKey, version, versionEpoch } = this.request;
    const delta = this.request.delta || options.delta_publish;
    const publishCall = { skipHistory, idempotencyKey, version, versionEpoch, delta };
    channels.publish(channel, this.#entry(delta), publishCall, (error, result) => {
      if (error !== null) done(fromClientError(error), undefined);
      else done(null, result);
    });
  }

  #entry(delta: boolean): Bytes {
    const which = delta ? 1 : 0;
    this.#entries[which] ??= encodeEntry(
      { data: this.#data, tags: this.request.tags, version: this.request.version },
      this.#flags | (delta ? ENTRY_DELTA : 0),
    );
    return this.#entries[which];
  }
}

/** A suppressed publication is answered as if it had been published. */
export function writePublished(w: JsonWriter, result: PublishResult): void {
  w.numberField('offset', result.offset);
  w.textField('epoch', result.epoch);
}
