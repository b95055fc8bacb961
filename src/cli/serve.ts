import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { extname, join, resolve, sep } from 'node:path';
import { Command, InvalidArgumentError } from 'commander';
import { CommandError, type Io } from './io.js';

const TYPES: Readonly<Record<string, string>> = {
  '.css': 'text/css; charset=utf-8',
  '.gif': 'image/gif',
  '.html': 'text/html; charset=utf-8',
  '.ico': 'image/x-icon',
  '.jpg': 'image/jpeg',
  '.js': 'text/javascript; charset=utf-8',
  '.json': 'application/json',
  '.mjs': 'text/javascript; charset=utf-8',
  '.png': 'image/png',
  '.svg': 'image/svg+xml',
  '.txt': 'text/plain; charset=utf-8',
  '.wasm': 'application/wasm',
};

export const serveCommand = (io: Io): Command =>
  new Command('serve')
    .description('serve the files of a directory over HTTP, for development only')
    .option('-d, --dir <path>', 'directory', './')
    .option('-p, --port <number>', 'port to listen on', parsePort, 3000)
    .option('-a, --address <address>', 'interface to listen on; by default all')
    .action(async ({ dir, port, address }: { dir: string; port: number; address?: string }) => {
      const root = resolve(io.cwd, dir);
      if (!(await stat(root).catch(() => undefined))?.isDirectory())
        throw new CommandError(`${dir}: no such directory`);
      const server = fileServer(root);
      await listen(server, port, address);
      io.out(`serving ${root} on http://${address ?? 'localhost'}:${port}`);
    });

function parsePort(text: string): number {
  const port = Number(text);
  if (!Number.isInteger(port) || port < 0 || port > 65535) throw new InvalidArgumentError('Wanted a port, 0 to 65535.');
  return port;
}

function listen(server: Server, port: number, address: string | undefined): Promise<void> {
  return new Promise((done, fail) => {
    const refuse = ({ code }: NodeJS.ErrnoException) =>
      fail(new CommandError(`cannot listen on port ${port} (${code})`));
    server.once('error', refuse);
    server.listen(port, address, done);
  });
}

/** Serves the files under `root`, and `index.html` for a directory. */
export const fileServer = (root: string): Server =>
  createServer((request, response) => {
    answer(root, request, response).catch(() => response.destroy());
  });

async function answer(root: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
  if (request.method !== 'GET' && request.method !== 'HEAD') return end(response, 405, 'method not allowed');
  const path = pathUnder(root, request.url ?? '/');
  if (path === undefined) return end(response, 400, 'bad path');
  const file = await existing(path);
  if (file === undefined) return end(response, 404, 'not found');
  response.setHeader('Content-Type', TYPES[extname(file.path).toLowerCase()] ?? 'application/octet-stream');
  response.setHeader('Content-Length', file.size);
  if (request.method === 'HEAD') return void response.end();
  createReadStream(file.path)
    .on('error', () => response.destroy())
    .pipe(response);
}

/** Where the path of a URL leads; undefined when that is not under `root`. */
function pathUnder(root: string, url: string): string | undefined {
  try {
    const path = join(root, decodeURIComponent(url.split('?')[0]!));
    return path === root || path.startsWith(root.endsWith(sep) ? root : root + sep) ? path : undefined;
  } catch {
    return undefined;
  }
}

async function existing(path: string): Promise<{ path: string; size: number } | undefined> {
  const found = await stat(path).catch(() => undefined);
  if (found?.isFile()) return { path, size: found.size };
  return found?.isDirectory() ? existing(join(path, 'index.html')) : undefined;
}

function end(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { 'Content-Type': 'text/plain; charset=utf-8' }).end(`${text}\n`);
}
