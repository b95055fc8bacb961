/**
 * Messages of api.proto as requests and results of the methods, and back. Fields have the names of the methods'
 * properties, in camel case, so there is nothing to do but for what is listed here.
 */
import type { BatchRequest, BatchResult, Command } from '../api/batch.js';
import type { ChannelsResult } from '../api/channels.js';
import type { InfoResult } from '../api/info.js';
import type { AnyMethod } from '../api/method.js';
import { methods } from '../api/methods.js';
import { decoded, payloadOf } from '../protocol/entry.js';
import type { HistoryResult } from '../protocol/messages.js';

/** Decoded: every field is there, a message that was not sent is null. Or about to be encoded. */
export type Message = Record<string, unknown>;

interface Conversion {
  request?(message: Message): object;
  result?(result: object): Message;
}

const conversions: Readonly<Record<string, Conversion>> = {
  publish: { request: withPayload },
  broadcast: { request: withPayload },
  history: {
    result: (result) => {
      const { publications, epoch, offset } = result as HistoryResult;
      return { publications: decoded(publications), epoch, offset };
    },
  },
  info: {
    result: (result) => ({
      nodes: (result as InfoResult).nodes.map(({ uptimeSeconds, ...node }) => ({ ...node, uptime: uptimeSeconds })),
    }),
  },
  channels: {
    result: (result) => ({
      channels: Object.fromEntries(
        (result as ChannelsResult).channels.map(([name, numClients]) => [name, { numClients }]),
      ),
    }),
  },
};

export function toRequest({ name }: AnyMethod, message: Message): object {
  for (const field in message) if (message[field] === null) message[field] = undefined;
  return conversions[name]?.request?.(message) ?? message;
}

export const toMessage = ({ name }: AnyMethod, result: object): object => conversions[name]?.result?.(result) ?? result;

/** The name of the method's field in a batch. */
const fieldOf = (method: AnyMethod): string => method.name.replace(/_([a-z])/g, (_, letter) => letter.toUpperCase());

const fields = methods.map((method) => [fieldOf(method), method] as const);

export function toBatch({ commands, parallel }: Message): BatchRequest {
  return { commands: (commands as Message[]).map(toCommand), parallel: parallel as boolean };
}

function toCommand(message: Message): Command {
  const [field, method] = fields.find(([field]) => message[field] !== null) ?? [];
  return { method, request: method && toRequest(method, message[field!] as Message) };
}

export function fromBatch({ replies }: BatchResult): Message {
  return {
    replies: replies.map(({ method, error, result }) =>
      error === null ? { [fieldOf(method!)]: toMessage(method!, result!) } : { error },
    ),
  };
}

/** Came as bytes, which may be anything. */
function withPayload(message: Message): object {
  message.data = payloadOf(message.data as Buffer);
  return message;
}
