/** The API description: OpenAPI 3.0, put together from what the methods say of themselves. */
import type { HttpApiConfig } from '../config/config.js';
import { batch } from './batch.js';
import { type ApiError, apiErrors, httpStatus } from './errors.js';
import { named, optional } from './fields.js';
import { type About, type AnyMethod, errorShape, outcome, schemaName } from './method.js';
import { methods } from './methods.js';
import { ref, type Schema } from './schema.js';

const DESCRIPTION = `
Every method takes a JSON object in a POST request and answers \`{"result": …}\` or \`{"error": {"code", "message"}}\`,
both with status 200. With the header \`X-Centrifugo-Error-Mode: transport\`, or the option \`http_api.error_mode\`, an
error has a status of its own, and the body is the error alone. Fields of a result that are zero or empty may be left out.
`;

const TAGS: Readonly<Record<About['tag'], string>> = {
  Publications: 'To subscribers of channels.',
  Connections: 'What clients are told to do. The connections of a user may be on any node.',
  Channels: 'What is known of channels.',
  Server: 'The server itself.',
  'Not available': 'Known by name only.',
};

const ERROR_MODE = 'ErrorMode';

/** Not the query parameter, which ends up in the logs of proxies. */
const security = {
  key: { type: 'apiKey', in: 'header', name: 'X-API-Key' },
  authorization: { type: 'apiKey', in: 'header', name: 'Authorization', description: '`apikey` and the key.' },
};

/** @param version  of the server. */
export function openApi(config: Pick<HttpApiConfig, 'handler_prefix' | 'insecure'>, version: string): object {
  const all: AnyMethod[] = [...methods, batch];
  return {
    openapi: '3.0.3',
    info: { title: 'Gyre server API', version, description: DESCRIPTION.trim() },
    servers: [{ url: config.handler_prefix.replace(/\/+$/, '') || '/' }],
    security: config.insecure ? [] : Object.keys(security).map((name) => ({ [name]: [] })),
    tags: Object.entries(TAGS).map(([name, description]) => ({ name, description })),
    paths: Object.fromEntries(all.map((method) => [`/${method.name}`, { post: operation(method) }])),
    components: {
      schemas: Object.fromEntries([['Error', errorShape.schema], ...all.flatMap(schemas)]),
      responses: Object.fromEntries(statuses().map(([status, errors]) => [status, failure(status, errors)])),
      parameters: {
        [ERROR_MODE]: {
          name: 'X-Centrifugo-Error-Mode',
          in: 'header',
          description: 'Errors in the status instead of the body.',
          schema: { type: 'string', enum: ['transport'] },
        },
      },
      securitySchemes: security,
    },
  };
}

function schemas(method: AnyMethod): [string, Schema][] {
  return [
    [schemaName(method, 'Request'), method.request.schema],
    [schemaName(method, 'Result'), method.result.schema],
  ];
}

function operation(method: AnyMethod): object {
  const { tag, summary, description, example } = method.about;
  const request = { schema: ref(schemaName(method, 'Request')), example };
  const isBatch = method === batch;
  const errors = isBatch ? [] : statuses().map(([status]) => [status, { $ref: `#/components/responses/${status}` }]);
  return {
    operationId: method.name,
    tags: [tag],
    summary,
    description,
    ...(!isBatch && { parameters: [{ $ref: `#/components/parameters/${ERROR_MODE}` }] }),
    requestBody: { required: true, content: { 'application/json': request } },
    responses: {
      200: { description: 'Done, or an error.', content: { 'application/json': { schema: reply(method) } } },
      400: { description: 'Malformed, said in plain text.' },
      401: { description: 'The key is missing or wrong.' },
      ...Object.fromEntries(errors),
      413: { description: 'Too large.' },
    },
  };
}

/** Replies of a batch are not in a `result`, and no error is its own. */
function reply(method: AnyMethod): Schema {
  const result = named(schemaName(method, 'Result'), method.result);
  return method === batch ? result.schema : outcome({ result: optional(result, '') }).schema;
}

/** By status, what it stands for in error mode "transport". */
function statuses(): [status: number, errors: ApiError[]][] {
  const errors = Object.values(apiErrors);
  return [...new Set(errors.map(httpStatus))].map((status) => [
    status,
    errors.filter((error) => httpStatus(error) === status),
  ]);
}

function failure(status: number, errors: readonly ApiError[]): object {
  const codes = errors.map(({ code, message }) => `${code}, ${message}`).join('; ');
  return {
    description: `${status === 400 ? 'Malformed, said in plain text. ' : ''}In error mode "transport": ${codes}.`,
    content: { 'application/json': { schema: ref('Error') } },
  };
}
