/** The server API over gRPC: the methods that HTTP has (Centrifugo: `internal/api/grpc.go`). */
import { fileURLToPath } from 'node:url';
import {
  type handleUnaryCall,
  type Metadata,
  type Server,
  ServerInterceptingCall,
  type ServerInterceptor,
  type ServiceDefinition,
  status,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import { loadSync, type Options, type PackageDefinition } from '@grpc/proto-loader';
import { ReflectionService } from '@grpc/reflection';
import { batch } from '../api/batch.js';
import type { ApiDeps } from '../api/deps.js';
import { ApiKey } from '../api/key.js';
import { type AnyMethod, call } from '../api/method.js';
import { methods } from '../api/methods.js';
import type { GrpcApiConfig } from '../config/config.js';
import { fromBatch, type Message, toBatch, toMessage, toRequest } from './messages.js';
import { statusOf } from './status.js';

const SERVICE = 'centrifugal.centrifugo.api.CentrifugoApi';
const PROTO = fileURLToPath(new URL('./api.proto', import.meta.url));
const ERROR_MODE = 'x-centrifugo-error-mode';

type Handler = handleUnaryCall<Message, Message>;

const load = (options: Options): PackageDefinition => loadSync(PROTO, options);

export function addApi(server: Server, config: GrpcApiConfig, deps: ApiDeps): void {
  const service = load({ defaults: true, longs: Number })[SERVICE] as ServiceDefinition;
  const transportErrors = config.error_mode === 'transport';
  const implementation: UntypedServiceImplementation = {};
  for (const name of Object.keys(service)) {
    const method = methods.find((candidate) => candidate.name === snakeCase(name));
    implementation[name] = method === undefined ? batchHandler(deps) : handler(method, deps, transportErrors);
  }
  server.addService(service, implementation);
  // Tools that ask expect the names as they are written in the definition.
  if (config.reflection) new ReflectionService(load({ keepCase: true })).addToServer(server);
}

/** `PresenceStats` is the method `presence_stats`, and `RPC` is `rpc`. */
const snakeCase = (name: string): string => name.replace(/(?<=[a-z])[A-Z]/g, '_$&').toLowerCase();

function handler(method: AnyMethod, deps: ApiDeps, transportErrors: boolean): Handler {
  return ({ request, metadata }, reply) =>
    call(method, toRequest(method, request), deps, (error, result) => {
      if (error === null) reply(null, { result: toMessage(method, result!) });
      else if (transportErrors || first(metadata, ERROR_MODE) === 'transport') reply(statusOf(error));
      else reply(null, { error });
    });
}

/** Its replies are not in a `result`, and no error is its own. */
function batchHandler(deps: ApiDeps): Handler {
  return ({ request }, reply) => batch.run(toBatch(request), deps, (_error, result) => reply(null, fromBatch(result!)));
}

/**
 * Refuses calls of the API that do not show `key` in the metadata `authorization: apikey …`, before their message is
 * read. Reflection is for everybody, as in Centrifugo.
 */
export function keyGuard(key: string): ServerInterceptor {
  const expected = new ApiKey(`apikey ${key}`);
  return ({ path }, guarded) =>
    new ServerInterceptingCall(guarded, {
      start: (next) =>
        next({
          onReceiveMetadata: (metadata, proceed) => {
            const open = !path.startsWith(`/${SERVICE}/`);
            if (open || expected.equals(first(metadata, 'authorization'))) proceed(metadata);
            else guarded.sendStatus({ code: status.UNAUTHENTICATED, details: 'unauthenticated' });
          },
        }),
    });
}

const first = (metadata: Metadata, name: string): string => String(metadata.get(name)[0] ?? '');
