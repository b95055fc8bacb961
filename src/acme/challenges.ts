/** Answers the HTTP-01 challenges of an authority (RFC 8555, section 8.3), and sends everybody else to HTTPS. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { ListenAddress } from '../config/listen-address.js';
import type { Cache } from './cache.js';

const PREFIX = '/.well-known/acme-challenge/';
/** base64url, as tokens are: nothing that leaves a directory. */
const TOKEN = /^[-\w]{1,256}$/;
const CONNECTIONS_MAX = 1024;
const HEADERS_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 30_000;

export class Challenges {
  private readonly server: Server;

  /** @param cache  where answers are: another node with the same directory may be asked for the one of this */
  constructor(private readonly cache: Cache) {
    const timeouts = { headersTimeout: HEADERS_TIMEOUT_MS, requestTimeout: REQUEST_TIMEOUT_MS };
    this.server = createServer(timeouts, (request, response) => this.answer(request, response));
    this.server.maxConnections = CONNECTIONS_MAX;
  }

  /** @returns the port. @throws {Error} saying in one line why it cannot listen there */
  async listen({ host, port }: ListenAddress): Promise<number> {
    this.server.listen(port, host || undefined);
    try {
      await once(this.server, 'listening');
    } catch (error) {
      throw new Error(`ACME challenges cannot be answered: ${(error as Error).message}`);
    }
    return (this.server.address() as AddressInfo).port;
  }

  put(token: string, keyAuthorization: string): void {
    if (!TOKEN.test(token)) throw new Error('the authority sent a token that is none');
    this.cache.put(`${token}+http-01`, keyAuthorization);
  }

  delete(token: string): void {
    this.cache.delete(`${token}+http-01`);
  }

  close(): void {
    this.server.close();
    this.server.closeAllConnections();
  }

  private answer({ method, url = '/', headers }: IncomingMessage, response: ServerResponse): void {
    const path = url.split('?', 1)[0]!;
    if (path.startsWith(PREFIX)) {
      const found = this.find(path.slice(PREFIX.length));
      response.writeHead(found === undefined ? 404 : 200, { 'Content-Type': 'text/plain; charset=utf-8' });
      response.end(found ?? 'not found\n');
    } else if ((method === 'GET' || method === 'HEAD') && url.startsWith('/')) {
      const host = (headers.host ?? '').replace(/:\d*$/, '');
      response.writeHead(302, { Location: `https://${host}${url}` }).end();
    } else {
      response.writeHead(400, { 'Content-Type': 'text/plain; charset=utf-8' }).end('Use HTTPS\n');
    }
  }

  private find(token: string): string | undefined {
    if (!TOKEN.test(token)) return undefined;
    try {
      return this.cache.get(`${token}+http-01`);
    } catch {
      return undefined;
    }
  }
}
