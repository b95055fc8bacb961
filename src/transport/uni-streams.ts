/**
 * Unidirectional HTTP streaming and Server-Sent Events (Centrifugo `unihttpstream`, `unisse`): the request carries a connect
 * request, the response bare pushes.
 */
import type { Transport } from '../clients/socket.js';
import type { ClientError, Disconnect } from '../protocol/codes.js';
import { emptyConnect } from '../protocol/requests.js';
import { type Headers, preflight } from './cors.js';
import { type Framing, uniEventFraming, uniStreamFraming } from './framing.js';
import type { HttpRequest, HttpResponse, HttpStream, StreamRoute } from './http.js';
import { connectParameter, readConnect } from './read-connect.js';
import { begin, route, type StreamEndpoint } from './streams.js';

/** `connect_code_to_http_response` of the configuration. */
export interface ConnectCodeToHttpResponse {
  readonly enabled: boolean;
  readonly transforms: readonly {
    readonly code: number;
    readonly to: { readonly status_code: number; readonly body: string };
  }[];
}

export interface UniStreamEndpoint extends StreamEndpoint {
  readonly connectCodeToHttpResponse: ConnectCodeToHttpResponse;
}

/** `POST` with a connect request in JSON. */
export function uniHttpStreamRoute(endpoint: UniStreamEndpoint): StreamRoute {
  return route(endpoint, (request, cors) => {
    if (request.method === 'options') return preflight(cors);
    if (request.method !== 'post') return { status: 405, headers: cors };
    return open(endpoint, request, cors, 'uni_http_stream', uniStreamFraming, request.body);
  });
}

/** `GET` with a connect request in the parameter `cf_connect`, if there is anything to say; or `POST`; in JSON. */
export function uniSseRoute(endpoint: UniStreamEndpoint): StreamRoute {
  return route(endpoint, (request, cors) => {
    if (request.method !== 'get' && request.method !== 'post') return { status: 405, headers: cors };
    const asked = request.method === 'get' ? connectParameter(request.query) : request.body;
    return open(endpoint, request, cors, 'uni_sse', uniEventFraming, asked);
  });
}

function open(
  endpoint: UniStreamEndpoint,
  request: HttpRequest,
  cors: Headers,
  transport: Transport,
  framing: Framing,
  asked: Buffer | undefined,
): HttpResponse | HttpStream {
  const connect = asked === undefined ? emptyConnect() : readConnect(asked);
  if (connect === undefined) return { status: 400, headers: cors };
  const { enabled, transforms } = endpoint.connectCodeToHttpResponse;
  return begin(endpoint, request, cors, {
    transport,
    framing,
    hear: (session) => session.connect(connect),
    answerRefusal: enabled ? (why) => refusalAnswer(why, transforms, cors) : undefined,
  });
}

/** The first transform for the code; without one, 500. */
function refusalAnswer(
  why: ClientError | Disconnect,
  transforms: ConnectCodeToHttpResponse['transforms'],
  cors: Headers,
): HttpResponse {
  const to = transforms.find(({ code }) => code === why.code)?.to;
  const text = 'reason' in why ? why.reason : why.message;
  return {
    status: to?.status_code ?? 500,
    headers: { ...cors, 'Content-Type': 'text/plain; charset=utf-8' },
    body: to === undefined ? 'Internal Server Error' : to.body || text,
  };
}
