/**
 * An ACME authority (RFC 8555) that is strict about what clients send and validates HTTP-01 challenges over HTTP. Any host
 * name leads to this machine.
 */
import { createHash, createPublicKey, type JsonWebKey, randomBytes, verify } from 'node:crypto';
import { once } from 'node:events';
import { createServer, get, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Authority, Validity } from './certificates.js';

interface Order {
  readonly hosts: string[];
  readonly authorizations: number[];
  cert: string | undefined;
}

interface Authorization {
  readonly host: string;
  readonly token: string;
  status: 'pending' | 'valid' | 'invalid';
}

interface SignedHeader {
  readonly alg: string;
  readonly nonce: string;
  readonly url: string;
  readonly jwk?: JsonWebKey;
  readonly kid?: string;
}

type Payload = Record<string, unknown> | undefined;

class Problem extends Error {
  constructor(
    readonly status: number,
    readonly type: string,
    detail: string,
  ) {
    super(detail);
  }
}

const fromBase64 = (text: string): string => Buffer.from(text, 'base64url').toString();
const last = (url: string): number => Number(url.slice(url.lastIndexOf('/') + 1));

export class AcmeServer {
  /** The account's key for each kid, its number. */
  readonly accounts: { jwk: JsonWebKey; contact: unknown }[] = [];
  readonly orders: Order[] = [];
  /** Where challenges are asked for. */
  challengePort: number | Promise<number> = 0;
  /** Of the next certificates. */
  validity: Validity = {};
  /** Refuse what is asked for, as for a name that is rate limited. */
  refusing = false;
  private readonly authorizations: Authorization[] = [];
  private readonly nonces = new Set<string>();
  private readonly server: Server;

  private constructor(private readonly authority: Authority) {
    this.server = createServer((request, response) => void this.answer(request, response));
  }

  static async start(authority: Authority): Promise<AcmeServer> {
    const acme = new AcmeServer(authority);
    acme.server.listen(0, '127.0.0.1');
    await once(acme.server, 'listening');
    return acme;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  get directoryUrl(): string {
    return `${this.url}/directory`;
  }

  close(): void {
    this.server.close();
    this.server.closeAllConnections();
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const nonce = randomBytes(16).toString('base64url');
    this.nonces.add(nonce);
    response.setHeader('Replay-Nonce', nonce);
    try {
      const body = await read(request);
      const answer = request.method === 'POST' ? await this.post(request.url!, body, response) : this.get(request.url!);
      if (typeof answer !== 'string') response.setHeader('Content-Type', 'application/json');
      response.end(typeof answer === 'string' ? answer : JSON.stringify(answer));
    } catch (error) {
      const { status, type } = error instanceof Problem ? error : { status: 500, type: 'serverInternal' };
      response.writeHead(status, { 'Content-Type': 'application/problem+json' });
      const detail = (error as Error).message;
      response.end(JSON.stringify({ type: `urn:ietf:params:acme:error:${type}`, detail, status }));
    }
  }

  private get(url: string): object | string {
    if (url === '/new-nonce') return '';
    if (url !== '/directory') throw new Problem(405, 'malformed', 'POST as GET');
    const at = (path: string) => `${this.url}/${path}`;
    return { newNonce: at('new-nonce'), newAccount: at('new-account'), newOrder: at('new-order'), meta: {} };
  }

  private async post(path: string, body: string, response: ServerResponse): Promise<object | string> {
    const { jwk, payload } = this.verified(path, body);
    if (path === '/new-account') return this.newAccount(jwk, payload, response);
    if (path === '/new-order') return this.newOrder(payload, response);
    const [, kind, number, step] = path.split('/');
    const n = Number(number);
    if (kind === 'account') {
      if (payload?.contact !== undefined) this.accounts[n]!.contact = payload.contact;
      return { status: 'valid' };
    }
    if (kind === 'order') {
      if (step === 'finalize') this.finalize(this.orders[n]!, payload);
      response.setHeader('Location', `${this.url}/order/${n}`);
      return this.shownOrder(n);
    }
    if (kind === 'cert') return this.orders[n]!.cert!;
    if (kind === 'authz') return this.shownAuthorization(n);
    if (kind === 'challenge') {
      if (payload !== undefined) await this.validate(this.authorizations[n]!, jwk);
      return this.shownChallenge(n);
    }
    throw new Problem(404, 'malformed', 'no such resource');
  }

  /** RFC 8555, section 6: signed by the account's key, for this URL, with a nonce that was not used before. */
  private verified(path: string, body: string): { jwk: JsonWebKey; payload: Payload } {
    const jws = JSON.parse(body) as { protected: string; payload: string; signature: string };
    const header = JSON.parse(fromBase64(jws.protected)) as SignedHeader;
    if (!this.nonces.delete(header.nonce)) throw new Problem(400, 'badNonce', 'unknown nonce');
    if (header.url !== this.url + path) throw new Problem(400, 'unauthorized', 'signed for another URL');
    if (header.alg !== 'ES256') throw new Problem(400, 'badSignatureAlgorithm', header.alg);
    const jwk = header.kid === undefined ? header.jwk : this.accounts[last(header.kid)]?.jwk;
    if (jwk === undefined) throw new Problem(400, 'accountDoesNotExist', 'no such account');
    const key = createPublicKey({ key: jwk, format: 'jwk' });
    const signed = Buffer.from(`${jws.protected}.${jws.payload}`);
    const signature = Buffer.from(jws.signature, 'base64url');
    if (!verify('sha256', signed, { key, dsaEncoding: 'ieee-p1363' }, signature)) {
      throw new Problem(400, 'malformed', 'wrong signature');
    }
    return { jwk, payload: jws.payload === '' ? undefined : (JSON.parse(fromBase64(jws.payload)) as Payload) };
  }

  private newAccount(jwk: JsonWebKey, payload: Payload, response: ServerResponse): object {
    if (payload?.termsOfServiceAgreed !== true) throw new Problem(403, 'userActionRequired', 'agree to the terms');
    const known = this.accounts.findIndex((account) => account.jwk.x === jwk.x);
    const number = known >= 0 ? known : this.accounts.push({ jwk, contact: payload.contact }) - 1;
    response.statusCode = known >= 0 ? 200 : 201;
    response.setHeader('Location', `${this.url}/account/${number}`);
    return { status: 'valid' };
  }

  private newOrder(payload: Payload, response: ServerResponse): object {
    if (this.refusing) throw new Problem(403, 'rejectedIdentifier', 'too many certificates for this name');
    const hosts = (payload!.identifiers as { value: string }[]).map(({ value }) => value);
    const authorizations = hosts.map((host) => {
      const token = randomBytes(32).toString('base64url');
      return this.authorizations.push({ host, token, status: 'pending' }) - 1;
    });
    const number = this.orders.push({ hosts, authorizations, cert: undefined }) - 1;
    response.statusCode = 201;
    response.setHeader('Location', `${this.url}/order/${number}`);
    return this.shownOrder(number);
  }

  private finalize(order: Order, payload: Payload): void {
    if (this.statusOf(order) !== 'ready') throw new Problem(403, 'orderNotReady', 'not all names are validated');
    const leaf = this.authority.signRequest(Buffer.from(payload!.csr as string, 'base64url'), this.validity);
    order.cert = leaf + this.authority.cert;
  }

  /** RFC 8555, section 8.3. */
  private async validate(authorization: Authorization, { crv, kty, x, y }: JsonWebKey): Promise<void> {
    const thumbprint = createHash('sha256').update(JSON.stringify({ crv, kty, x, y })).digest('base64url');
    const found = await this.ask(authorization).catch(() => '');
    authorization.status = found === `${authorization.token}.${thumbprint}` ? 'valid' : 'invalid';
  }

  private async ask({ host, token }: Authorization): Promise<string> {
    const path = `/.well-known/acme-challenge/${token}`;
    const sent = get({ host: '127.0.0.1', port: await this.challengePort, path, headers: { host }, agent: false });
    const [response] = (await once(sent, 'response')) as [IncomingMessage];
    return response.statusCode === 200 ? read(response) : '';
  }

  private statusOf({ authorizations, cert }: Order): string {
    if (cert !== undefined) return 'valid';
    const all = authorizations.map((n) => this.authorizations[n]!.status);
    if (all.includes('invalid')) return 'invalid';
    return all.includes('pending') ? 'pending' : 'ready';
  }

  private shownOrder(n: number): object {
    const order = this.orders[n]!;
    return {
      status: this.statusOf(order),
      identifiers: order.hosts.map((value) => ({ type: 'dns', value })),
      authorizations: order.authorizations.map((id) => `${this.url}/authz/${id}`),
      finalize: `${this.url}/order/${n}/finalize`,
      ...(order.cert !== undefined && { certificate: `${this.url}/cert/${n}` }),
    };
  }

  private shownAuthorization(n: number): object {
    const { host, status } = this.authorizations[n]!;
    const other = { type: 'tls-alpn-01', url: `${this.url}/challenge/none`, token: 'x', status: 'pending' };
    return { identifier: { type: 'dns', value: host }, status, challenges: [other, this.shownChallenge(n)] };
  }

  private shownChallenge(n: number): object {
    const { status, token } = this.authorizations[n]!;
    const refused = { type: 'urn:ietf:params:acme:error:unauthorized', detail: 'the answer is wrong' };
    const error = status === 'invalid' ? { error: refused } : {};
    return { type: 'http-01', url: `${this.url}/challenge/${n}`, token, status, ...error };
  }
}

async function read(stream: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}
