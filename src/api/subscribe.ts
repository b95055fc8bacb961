import type { SubscribeOp } from '../clients/control-ops.js';
import type { ChannelOptions } from '../config/config.js';
import { decodeBase64 } from '../lib/base64.js';
import { asBuffer } from '../lib/bytes.js';
import { JsonFields, type JsonReader } from '../protocol/json-reader.js';
import type { Bytes } from '../protocol/messages.js';
import { apiErrors } from './errors.js';
import { type Method, NOTHING, readRequest, settle, writeNothing } from './method.js';
import { emptyPosition, type Position, positionFields } from './position.js';
import { emptyTarget, type TargetRequest, targetFields } from './target.js';

/** Options of the namespace that this one subscription is to have differently. */
interface Override {
  presence?: boolean | undefined;
  joinLeave?: boolean | undefined;
  forceRecovery?: boolean | undefined;
  forcePositioning?: boolean | undefined;
  forcePushJoinLeave?: boolean | undefined;
}

export interface SubscribeRequest extends TargetRequest {
  channel: string;
  /** Unix seconds, 0 for never. */
  expireAt: number;
  info: Bytes | undefined;
  /** Instead of `info` if not ''. */
  b64info: string;
  data: Bytes | undefined;
  /** Instead of `data` if not ''. */
  b64data: string;
  recoverSince: Position | undefined;
  override: Override | undefined;
}

const valueFields = new JsonFields<{ value: boolean }>({ value: (r) => r.boolean() });

/** `{"value": true}`; `null` overrides nothing. */
const overridden = (reader: JsonReader): boolean | undefined => reader.object({ value: false }, valueFields)?.value;

const overrideFields = new JsonFields<Override>({
  presence: overridden,
  joinLeave: overridden,
  forceRecovery: overridden,
  forcePositioning: overridden,
  forcePushJoinLeave: overridden,
});

const fields = new JsonFields<SubscribeRequest>({
  ...targetFields,
  channel: (r) => r.string(),
  expireAt: (r) => r.int64(),
  info: (r) => r.raw(),
  b64info: (r) => r.string(),
  data: (r) => r.raw(),
  b64data: (r) => r.string(),
  recoverSince: (r) => r.object(emptyPosition(), positionFields),
  override: (r) => r.object<Override>({}, overrideFields),
});

const empty = (): SubscribeRequest => ({
  ...emptyTarget(),
  channel: '',
  expireAt: 0,
  info: undefined,
  b64info: '',
  data: undefined,
  b64data: '',
  recoverSince: undefined,
  override: undefined,
});

export const subscribe: Method<SubscribeRequest, object> = {
  name: 'subscribe',
  read: (reader) => readRequest(reader, empty(), fields),

  run(request, deps, done) {
    if (request.channel === '') return done(apiErrors.badRequest, undefined);
    const options = deps.access.rules.resolve(request.channel)?.options;
    if (options === undefined) return done(apiErrors.unknownChannel, undefined);
    const op = operation(request, options);
    if (op === undefined) return done(apiErrors.badRequest, undefined);
    settle(
      deps.control.subscribe(op).then(() => NOTHING),
      done,
    );
  },

  write: writeNothing,
};

/** @returns undefined if one of the payloads is not base64. */
function operation(request: SubscribeRequest, options: ChannelOptions): SubscribeOp | undefined {
  const { user, client, session, channel, expireAt, recoverSince, override = {} } = request;
  const info = base64Of(request.info, request.b64info);
  const data = base64Of(request.data, request.b64data);
  if (info === undefined || data === undefined) return undefined;
  return {
    user,
    client,
    session,
    channel,
    info,
    data,
    expireAt,
    recoverSince,
    presence: override.presence ?? options.presence,
    joinLeave: override.joinLeave ?? options.join_leave,
    forcePushJoinLeave: override.forcePushJoinLeave ?? options.force_push_join_leave,
    forceRecovery: override.forceRecovery ?? options.force_recovery,
    forcePositioning: override.forcePositioning ?? options.force_positioning,
  };
}

/** Decoded and encoded again, because operations carry one canonical form. */
function base64Of(json: Bytes | undefined, base64: string): string | undefined {
  const bytes = base64 === '' ? json : decodeBase64(base64);
  if (bytes === undefined) return base64 === '' ? '' : undefined;
  return asBuffer(bytes).toString('base64');
}
