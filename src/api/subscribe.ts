import type { SubscribeOp } from '../clients/control-ops.js';
import type { ChannelOptions } from '../config/config.js';
import { decodeBase64 } from '../lib/base64.js';
import { asBuffer } from '../lib/bytes.js';
import type { Bytes } from '../protocol/messages.js';
import { apiErrors } from './errors.js';
import { base64, boolean, int64, json, optional, required, shape, string, type Values } from './fields.js';
import { type Method, NOTHING, noFields, settle, writeNothing } from './method.js';
import { position } from './position.js';
import { target } from './target.js';

const overridden = shape({ value: boolean('Whether it is on.') });

const override = shape({
  presence: optional(overridden, 'Whether the subscription is part of presence.'),
  joinLeave: optional(overridden, 'Whether others are told when it begins and ends.'),
  forceRecovery: optional(overridden, 'Whether missed publications are recovered.'),
  forcePositioning: optional(overridden, 'Whether its position in the stream is checked.'),
  forcePushJoinLeave: optional(overridden, 'Whether it is told when others join and leave.'),
});

const fields = {
  ...target,
  channel: required(string('Channel to subscribe to.')),
  expireAt: int64('When the subscription ends, in Unix seconds; 0 for never.'),
  info: json('What presence, join and leave say about the subscription.'),
  b64info: base64('Instead of `info`, as bytes that need not be JSON.'),
  data: json('What the client gets along with the subscription.'),
  b64data: base64('Instead of `data`, as bytes that need not be JSON.'),
  recoverSince: optional(shape(position), 'Sends what was published after this position first.'),
  override: optional(override, 'Options of the channel that are to be different for this subscription.'),
};

export type SubscribeRequest = Values<typeof fields>;

export const subscribe: Method<SubscribeRequest, object> = {
  name: 'subscribe',
  about: {
    tag: 'Connections',
    summary: 'Subscribe connections',
    description: 'Subscribes connections of a user to a channel, on behalf of the server.',
    example: { user: '42', channel: 'news' },
  },
  request: shape(fields),
  result: noFields,

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
  const { user, client, session, channel, expireAt, recoverSince, override } = request;
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
    presence: override?.presence?.value ?? options.presence,
    joinLeave: override?.joinLeave?.value ?? options.join_leave,
    forcePushJoinLeave: override?.forcePushJoinLeave?.value ?? options.force_push_join_leave,
    forceRecovery: override?.forceRecovery?.value ?? options.force_recovery,
    forcePositioning: override?.forcePositioning?.value ?? options.force_positioning,
  };
}

/** Decoded and encoded again, because operations carry one canonical form. */
function base64Of(json: Bytes | undefined, base64: string): string | undefined {
  const bytes = base64 === '' ? json : decodeBase64(base64);
  if (bytes === undefined) return base64 === '' ? '' : undefined;
  return asBuffer(bytes).toString('base64');
}
