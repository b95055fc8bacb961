/** Methods that ask about one channel. */
import type { ChannelOptions } from '../config/config.js';
import type { JsonWriter } from '../protocol/json-writer.js';
import type { ClientInfo } from '../protocol/messages.js';
import type { ApiDeps } from './deps.js';
import { type ApiError, apiErrors } from './errors.js';
import { json, required, shape, string } from './fields.js';

export const channelRequest = shape({ channel: required(string('Name of the channel.')) });

export type ChannelRequest = ReturnType<typeof channelRequest.read>;

/** @returns null if the channel is configured to have what is asked for. */
export function whyNot(channel: string, deps: ApiDeps, has: (options: ChannelOptions) => boolean): ApiError | null {
  if (channel === '') return apiErrors.badRequest;
  const options = deps.access.rules.resolve(channel)?.options;
  if (options === undefined) return apiErrors.unknownChannel;
  return has(options) ? null : apiErrors.notAvailable;
}

export const hasPresence = (options: ChannelOptions): boolean => options.presence;

export const hasHistory = (options: ChannelOptions): boolean => options.history_size > 0 && options.history_ttl > 0;

export const clientInfo = shape({
  user: string('Id of the user, empty for anonymous ones.'),
  client: string('Id of the connection.'),
  connInfo: json('What the application has said about the connection.'),
  chanInfo: json('What the application has said about this subscription.'),
});

export function writeClientInfo(w: JsonWriter, info: ClientInfo): void {
  w.open();
  w.key('user');
  w.text(info.user);
  w.key('client');
  w.text(info.client);
  w.payloadField('conn_info', info.connInfo);
  w.payloadField('chan_info', info.chanInfo);
  w.close();
}
