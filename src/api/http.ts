/** The server API over HTTP: `POST <prefix>/<method>` with a JSON body. */
import type { HttpApiConfig } from '../config/config.js';
import { JsonReader } from '../protocol/json-reader.js';
import { JsonError } from '../protocol/json-scanner.js';
import type { HttpHandler, HttpHead, HttpRequest, HttpResponse, HttpRoute } from '../transport/http.js';
import { batch } from './batch.js';
import type { ApiDeps } from './deps.js';
import type { Shape } from './fields.js';
import { ApiKey } from './key.js';
import { legacy } from './legacy.js';
import { type AnyMethod, call, writeOutcome } from './method.js';
import { methods } from './methods.js';
import { badRequest, json, methodNotAllowed, transportError, unauthorized } from './respond.js';

/** Batches and broadcasts included; far more than one publication may have on its way between threads. */
const MAX_BODY_BYTES = 64 << 20;

const ERROR_MODE_HEADER = 'x-centrifugo-error-mode';

/** @returns nothing where the API is disabled. On which port they are served (`external`) is for the caller to decide. */
export function apiRoutes(config: HttpApiConfig, deps: ApiDeps): HttpRoute[] {
  if (config.disabled) return [];
  const prefix = config.handler_prefix.replace(/\/+$/, '');
  const key = config.insecure ? undefined : new ApiKey(config.key);
  const route = (path: string, handle: HttpHandler): HttpRoute => ({
    path,
    guard: (head) => refusal(head, key),
    headers: [ERROR_MODE_HEADER],
    maxBodyBytes: MAX_BODY_BYTES,
    handle: settled(handle, deps),
  });
  const transportErrors = config.error_mode === 'transport';
  return [
    route(prefix === '' ? '/' : prefix, (request, answer) => legacy(request.body, deps, answer)),
    route(`${prefix}/batch`, (request, answer) => serveBatch(request, deps, answer)),
    ...methods.map((method) =>
      route(`${prefix}/${method.name}`, (request, answer) => serve(method, request, deps, transportErrors, answer)),
    ),
  ];
}

type Answer = (response: HttpResponse) => void;

function refusal(head: HttpHead, key: ApiKey | undefined): HttpResponse | undefined {
  if (head.method !== 'post') return methodNotAllowed;
  return key === undefined || key.admits(head) ? undefined : unauthorized;
}

function settled(handle: HttpHandler, deps: ApiDeps): HttpHandler {
  return (request, answer) => {
    try {
      const answered = handle(request, answer);
      deps.settle();
      return answered;
    } catch (error) {
      if (error instanceof JsonError) return badRequest;
      throw error;
    }
  };
}

function serve(
  method: AnyMethod,
  request: HttpRequest,
  deps: ApiDeps,
  transportErrors: boolean,
  answer: Answer,
): undefined {
  const asked = readBody(method, request.body);
  // Read before the call: after it the request may be over.
  const inStatus = transportErrors || request.header(ERROR_MODE_HEADER) === 'transport';
  call(method, asked, deps, (error, result) => {
    if (error !== null && inStatus) answer(transportError(error));
    else answer(json((w) => writeOutcome(w, 'result', error, method.write, result)));
  });
}

/** Its replies are not in a `result`, and no error is its own. */
function serveBatch(request: HttpRequest, deps: ApiDeps, answer: Answer): undefined {
  const asked = readBody(batch, request.body);
  batch.run(asked, deps, (_error, result) =>
    answer(
      json((w) => {
        w.open();
        batch.write(w, result!);
        w.close();
      }),
    ),
  );
}

function readBody<Request extends object>({ request }: { request: Shape<Request> }, body: Buffer): Request {
  const reader = new JsonReader(body);
  const asked = request.read(reader);
  reader.end();
  return asked;
}
