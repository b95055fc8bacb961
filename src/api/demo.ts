/** The demo page of the development configuration: static files, the client library, and a token for whoever asks. */
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { HttpHandler, HttpRoute } from '../transport/http.js';

const TYPES = { html: 'text/html', js: 'text/javascript', css: 'text/css' } as const;

/** @param sign  a short-lived connection token for a user. */
export function demoRoutes(sign: (user: string) => string): HttpRoute[] {
  const page = (name: string) => readFileSync(new URL(`../demo/${name}`, import.meta.url));
  const library = readFileSync(
    join(dirname(createRequire(import.meta.url).resolve('centrifuge')), '../dist/centrifuge.js'),
  );
  return [
    route('/', file(page('index.html'), 'html')),
    route('/app.js', file(page('app.js'), 'js')),
    route('/style.css', file(page('style.css'), 'css')),
    route('/centrifuge.js', file(library, 'js')),
    route('/demo/token', () => ({
      status: 200,
      headers: { 'Content-Type': 'application/json', 'Cache-Control': 'no-store' },
      body: JSON.stringify({ token: sign(`demo-${randomUUID().slice(0, 8)}`) }),
    })),
  ];
}

const route = (path: string, handle: HttpHandler): HttpRoute => ({ path, headers: [], maxBodyBytes: 0, handle });

const file =
  (body: Buffer, kind: keyof typeof TYPES): HttpHandler =>
  () => ({ status: 200, headers: { 'Content-Type': `${TYPES[kind]}; charset=utf-8` }, body });
