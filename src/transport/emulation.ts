/** The endpoint for commands of clients on one-way transports (centrifuge `emulation.go`). */
import { decodeJsonEmulation, decodeProtoEmulation, type EmulationRequest } from '../protocol/emulation.js';
import { JsonError } from '../protocol/json-scanner.js';
import { ProtoError } from '../protocol/proto-reader.js';
import { CORS_REQUEST_HEADERS, corsHeaders, preflight } from './cors.js';
import type { HttpRequest, HttpRoute } from './http.js';

export interface EmulationEndpoint {
  readonly path: string;
  readonly maxBodyBytes: number;
  allowsOrigin(origin: string): boolean;
  /** @returns false if there is no such node. */
  pass(request: EmulationRequest): Promise<boolean>;
}

/** 204 when the command was passed on, 404 for an unknown node, 500 when it could not be asked. */
export function emulationRoute(endpoint: EmulationEndpoint): HttpRoute {
  return {
    path: endpoint.path,
    headers: [...CORS_REQUEST_HEADERS, 'content-type'],
    maxBodyBytes: endpoint.maxBodyBytes,
    handle: (request) => {
      const headers = corsHeaders(request, endpoint.allowsOrigin);
      if (request.method === 'options') return preflight(headers);
      if (request.method !== 'post') return { status: 405, headers };
      const asked = decode(request);
      if (asked === undefined) return { status: 400, headers };
      return endpoint.pass(asked).then(
        (known) => ({ status: known ? 204 : 404, headers }),
        () => ({ status: 500, headers }),
      );
    },
  };
}

function decode(request: HttpRequest): EmulationRequest | undefined {
  try {
    const isProtobuf = request.header('content-type') === 'application/octet-stream';
    return isProtobuf ? decodeProtoEmulation(request.body) : decodeJsonEmulation(request.body);
  } catch (error) {
    if (error instanceof JsonError || error instanceof ProtoError) return undefined;
    throw error;
  }
}
