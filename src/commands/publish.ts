import { decidePublish } from '../auth/permissions.js';
import type { ResolvedChannel } from '../auth/rules.js';
import type { Client, Refusal } from '../clients/client.js';
import { disconnects, errors } from '../protocol/codes.js';
import { ENTRY_DELTA, encodeEntry, payloadFlags } from '../protocol/entry.js';
import type { Bytes, PublishRequest } from '../protocol/messages.js';
import { type CommandDeps, callerOf, type Outcome } from './deps.js';

type Deps = Pick<CommandDeps, 'access' | 'channels' | 'config'>;

/** `PublishRequest.type`: write to a map. */
const MAP = 1;

const NO_DATA: Bytes = new Uint8Array(0);

export function publish(client: Client, request: PublishRequest, id: number, deps: Deps): Outcome {
  const channel = deps.access.rules.resolve(request.channel);
  const refusal = whyNot(client, channel, request, deps);
  if (refusal !== undefined) return client.refuse(id, refusal);
  const data = request.data ?? NO_DATA;
  const delta = channel!.options.delta_publish;
  // What came as a JSON connection's payload was valid JSON to get here.
  const flags = payloadFlags(data, client.codec.name === 'json') | (delta ? ENTRY_DELTA : 0);
  const entry = encodeEntry({ data, info: client.info(channel!.name) }, flags);
  const call = { skipHistory: false, idempotencyKey: '', version: 0, versionEpoch: '', delta };
  deps.channels.publish(channel!.name, entry, call, (error) => {
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
  if ('error' in decision) return decision.error;
  // Publishing is up to a proxy, and there is none.
  return 'ask' in decision ? errors.notAvailable : undefined;
}

/** Clients cannot write to maps: by default they may not, and where everything is allowed there are none. */
function whyNotMap(channel: ResolvedChannel | undefined, insecure: boolean): Refusal {
  if (channel === undefined) return errors.unknownChannel;
  if (!channel.validName) return errors.badRequest;
  return insecure ? errors.notAvailable : errors.permissionDenied;
}
