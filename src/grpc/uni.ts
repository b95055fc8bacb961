/**
 * The unidirectional transport over gRPC: `centrifugal.centrifugo.unistream.CentrifugoUniStream/Consume`, whose messages are
 * the client protocol's, with the same numbers: a ConnectRequest is answered with a stream of Push.
 */
import { type Metadata, type Server, status } from '@grpc/grpc-js';
import type { OpenSession, Peer } from '../clients/socket.js';
import { decodeProtoConnect } from '../protocol/proto-decode.js';
import { type UniCall, UniConnection } from './uni-connection.js';

const CONSUME = '/centrifugal.centrifugo.unistream.CentrifugoUniStream/Consume';

/** Peers are asked whether they are there. */
export const KEEPALIVE = { 'grpc.keepalive_time_ms': 25_000, 'grpc.keepalive_timeout_ms': 5_000 };

export interface UniEndpoint {
  /** Names, in lower case, of the metadata that sessions are given as headers. */
  readonly metadata: readonly string[];
  /** Asked once for every call. */
  admit(): 'ok' | 'busy';
  readonly open: OpenSession;
  /** Told of whatever a session throws; must not throw. */
  onError(error: unknown): void;
}

export function addUniStream(server: Server, endpoint: UniEndpoint): void {
  const consume = (call: UniCall): void => {
    if (endpoint.admit() === 'busy') {
      call.emit('error', { code: status.UNAVAILABLE, details: 'too many connections' });
      return;
    }
    new UniConnection(call, (error) => endpoint.onError(error)).open(endpoint.open, peerOf(call, endpoint.metadata));
  };
  const asItIs = (message: Buffer): Buffer => message;
  server.register(CONSUME, consume, asItIs, decodeProtoConnect, 'serverStream');
}

function peerOf(call: UniCall, names: readonly string[]): Peer {
  return {
    transport: 'uni_grpc',
    protocol: 'protobuf',
    framePingPong: false,
    headers: Object.fromEntries(names.flatMap((name) => headerOf(call.metadata, name))),
  };
}

/** The first value. That of a name in `-bin` is bytes. */
const headerOf = (metadata: Metadata, name: string): [name: string, value: string][] =>
  metadata
    .get(name)
    .slice(0, 1)
    .map((value) => [name, value.toString()]);
