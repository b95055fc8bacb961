/** The service that an application implements to be asked over gRPC. Source: Centrifugo's proxyproto. */
import { fileURLToPath } from 'node:url';
import type { MethodDefinition, ServiceDefinition } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import type { Bytes } from '../protocol/messages.js';
import type { AnswerMessage } from './answer.js';

export const PROTO_FILE = fileURLToPath(new URL('./proxy.proto', import.meta.url));
const SERVICE = 'centrifugal.centrifugo.proxy.CentrifugoProxy';

export interface StreamRequest {
  readonly subscribeRequest?: object;
  readonly publication?: { readonly data: Bytes };
}

export interface StreamResponse {
  readonly subscribeResponse?: AnswerMessage;
  readonly publication?: { readonly data?: Bytes; readonly tags?: Record<string, string> };
}

type Method<Request, Response> = Pick<
  MethodDefinition<Request, Response>,
  'path' | 'requestSerialize' | 'responseDeserialize'
>;

/** 64-bit integers above 2^53 lose precision, as they do when they come as JSON. */
const service = loadSync(PROTO_FILE, { longs: Number })[SERVICE] as ServiceDefinition;

/** @param name  as the service has it. */
export const unaryMethod = (name: string): Method<object, AnswerMessage> =>
  service[name] as Method<object, AnswerMessage>;

export const unidirectional = service.SubscribeUnidirectional as Method<object, StreamResponse>;
export const bidirectional = service.SubscribeBidirectional as Method<StreamRequest, StreamResponse>;
