/** The API description, and a page that shows it and sends requests: Swagger UI, from here alone. */
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import type { HttpResponse, HttpRoute } from '../transport/http.js';
import { methodNotAllowed } from './respond.js';

const PAGE = `<!DOCTYPE html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>Server API</title>
    <link rel="icon" href="data:,">
    <link rel="stylesheet" href="swagger-ui.css">
  </head>
  <body>
    <div id="page"></div>
    <script src="swagger-ui-bundle.js"></script>
    <script src="page.js"></script>
  </body>
</html>
`;

/** By default it would have a service on the Internet judge the description. */
const SCRIPT = `SwaggerUIBundle({ url: 'swagger.json', dom_id: '#page', deepLinking: true, validatorUrl: null });
`;

/** React sets styles by script, which is not restricted; the icons are data. */
const POLICY =
  "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/** @param prefix  `/` and more; a slash at its end does not matter. */
export function swaggerRoutes(prefix: string, description: () => object): HttpRoute[] {
  const base = prefix.replace(/\/+$/, '');
  return [
    route(`${base}/`, () => ok('text/html', PAGE)),
    ...(base === '' ? [] : [route(base, () => ({ status: 301, headers: { Location: `${base}/` } }))]),
    route(`${base}/page.js`, () => ok('text/javascript', SCRIPT)),
    route(`${base}/swagger.json`, () => ok('application/json', JSON.stringify(description()))),
    route(`${base}/swagger-ui.css`, () => packaged('text/css', 'swagger-ui.css')),
    route(`${base}/swagger-ui-bundle.js`, () => packaged('text/javascript', 'swagger-ui-bundle.js')),
  ];
}

const route = (path: string, answer: () => HttpResponse | Promise<HttpResponse>): HttpRoute => ({
  path,
  headers: [],
  maxBodyBytes: 0,
  handle: ({ method }) => (method === 'get' || method === 'head' ? answer() : methodNotAllowed),
});

const { resolve } = createRequire(import.meta.url);

/** Read each time: 2 MB for each worker to keep would be much for what is rarely looked at. */
const packaged = async (type: string, name: string): Promise<HttpResponse> =>
  ok(type, await readFile(resolve(`swagger-ui-dist/${name}`)));

const ok = (type: string, body: string | Buffer): HttpResponse => ({
  status: 200,
  headers: {
    'Content-Type': `${type}; charset=utf-8`,
    'Content-Security-Policy': POLICY,
    'X-Content-Type-Options': 'nosniff',
  },
  body,
});
