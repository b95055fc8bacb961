import { decidePublish } from '../auth/permissions.js';
import type { ResolvedChannel } from '../auth/rules.js';
import type { Client, Refusal } from '../clients/client.js';
import { disconnects, errors } from '../protocol/codes.js';
import { ENTRY_DELTA, lendEntry, payloadFlags } from '../protocol/entry.js';
import type { Bytes, ClientInfo, PublishRequest } from '../protocol/messages.js';
import { askPublish, type PublishProxyResult } from '../proxy/events.js';
import { type CommandDeps, callerOf, type Outcome } from './deps.js';
import { refusalOf } from './refusal.js';

type Deps = Pick<CommandDeps, 'access' | 'channels' | 'config' | 'proxies'>;

/** `PublishRequest.type`: write to a map. */
const MAP = 1;

const NO_DATA: Bytes = new Uint8Array(0);

export function publish(client: Client, request: PublishRequest, id: number, deps: Deps): Outcome {
  const channel = deps.access.rules.resolve(request.channel);
  const refusal = whyNot(client, channel, request, deps);
  if (refusal !== undefined) return client.refuse(id, refusal);
  const { name, options } = channel!;
  if (options.publish_proxy_enabled) return ask(client, request, id, options.publish_proxy_name, deps);
  if (options.subscribe_stream_proxy_enabled) return intoStream(client, request, id);
  const data = request.data ?? NO_DATA;
  const publication = { ...AS_IS, data, delta: options.delta_publish, info: client.info(name) };
  // What came as a JSON connection's payload was valid JSON to get here.
  send(client, name, publication, client.codec.name === 'json', id, deps);
}

interface Publication extends Omit<PublishProxyResult, 'isJson'> {
  data: Bytes;
  info: ClientInfo;
}

/** Nothing special about it. */
const AS_IS = { skipHistory: false, idempotencyKey: '', delta: false, version: 0, versionEpoch: '' };

/** Leave it to the application: whether it is published, and as what. */
function ask(client: Client, request: PublishRequest, id: number, proxyName: string, deps: Deps): Outcome {
  const proxy = deps.proxies.get('publish', proxyName);
  if (proxy === undefined) return client.refuse(id, errors.notAvailable);
  const { channel } = request;
  // The frame does not outlive this call, and the connection maybe not the answer.
  const sent = Buffer.from(request.data ?? NO_DATA);
  const info = client.info(channel);
  return askPublish(proxy, client, { channel, data: sent }).then((answer) => {
    if (!('result' in answer)) return client.refuse(id, refusalOf(answer));
    const { data, isJson, ...rest }: PublishProxyResult = answer.result ?? { ...AS_IS, isJson: false };
    const known = data === undefined ? client.codec.name === 'json' : isJson;
    send(client, channel, { ...rest, data: data ?? sent, info }, known, id, deps);
  });
}

/** The application gets it by the stream of the client's subscription, and nobody else. */
function intoStream(client: Client, { channel, data = NO_DATA }: PublishRequest, id: number): Outcome {
  const stream = client.subscriptions.get(channel)?.stream;
  if (stream === undefined) return client.refuse(id, errors.notAvailable);
  // It may have to wait, and the frame does not outlive this call.
  stream.publish(Buffer.from(data), (error) => {
    if (error !== null) client.refuse(id, error);
    else client.reply({ id, publish: {} });
  });
}

/** @param isJson  the data is known to be JSON. */
function send(
  client: Client,
  channel: string,
  { data, info, tags, version, ...rest }: Publication,
  isJson: boolean,
  id: number,
  { channels }: Pick<Deps, 'channels'>,
): void {
  const flags = payloadFlags(data, isJson) | (rest.delta ? ENTRY_DELTA : 0);
  const entry = lendEntry({ data, info, tags, version }, flags);
  channels.publish(channel, entry, { ...rest, version }, (error) => {
    if (error !== null) client.refuse(id, error);
    else client.reply({ id, publish: {} });
  });
}

function whyNot(
  client: Client,
  channel: ResolvedChannel | undefined,
  request: PublishRequest,
  { config }: Deps,
): Refusal | undefined {
  if (request.channel === '') return disconnects.badRequest;
  if (request.type === MAP) return whyNotMap(channel, config.client.insecure);
  const caller = callerOf(client, config);
  const decision = decidePublish(channel, caller, client.isSubscribed(request.channel), request.data ?? NO_DATA);
  return 'error' in decision ? decision.error : undefined;
}

/** Clients cannot write to maps: by default they may not, and where everything is allowed there are none. */
function whyNotMap(channel: ResolvedChannel | undefined, insecure: boolean): Refusal {
  if (channel === undefined) return errors.unknownChannel;
  if (!channel.validName) return errors.badRequest;
  return insecure ? errors.notAvailable : errors.permissionDenied;
}
