/** The WebSocket opening handshake: who may connect, and what they ask for. */
import type { Peer } from '../clients/socket.js';
import type { HttpRequest } from './uws.js';

const PROTOBUF = 'centrifuge-protobuf';
const SUBPROTOCOLS = new Set(['centrifuge-json', PROTOBUF]);
const NO_HEADERS: Readonly<Record<string, string>> = Object.freeze({});

export interface HandshakeRules {
  allowsOrigin(origin: string): boolean;
  /** Asked once for every upgrade request, before anything else is looked at. */
  admit(): 'ok' | 'busy';
}

/** HTTP statuses that a handshake may be answered with instead of 101. */
export type Refusal = 400 | 403 | 405 | 500 | 503;

/** @returns undefined for a request to be upgraded */
export function refusal(req: HttpRequest, rules: HandshakeRules): Refusal | undefined {
  if (rules.admit() === 'busy') return 503;
  if (!asksForUpgrade(req) || req.getHeader('sec-websocket-version') !== '13') return 400;
  if (!rules.allowsOrigin(req.getHeader('origin'))) return 403;
  return undefined;
}

export function asksForUpgrade(req: HttpRequest): boolean {
  return hasToken(req.getHeader('connection'), 'upgrade') && hasToken(req.getHeader('upgrade'), 'websocket');
}

function hasToken(list: string, token: string): boolean {
  if (list.length === token.length) return list.toLowerCase() === token;
  return list.split(',').some((item) => item.trim().toLowerCase() === token);
}

/** The first subprotocol of the client's list that we speak, '' for none. */
export function chooseSubprotocol(offered: string): string {
  if (offered === '') return '';
  const names = offered.split(',').map((name) => name.trim());
  return names.find((name) => SUBPROTOCOLS.has(name)) ?? '';
}

/** What a client asks for in the URL and by the subprotocol. */
export function readWishes(req: HttpRequest, subprotocol: string): Pick<Peer, 'protocol' | 'framePingPong'> {
  const query = req.getQuery();
  const asked = query ? new URLSearchParams(query) : undefined;
  const wantsProtobuf =
    subprotocol === PROTOBUF || asked?.get('cf_protocol') === 'protobuf' || asked?.get('format') === 'protobuf';
  return {
    protocol: wantsProtobuf ? 'protobuf' : 'json',
    framePingPong: asked?.get('cf_ws_frame_ping_pong') === 'true',
  };
}

/** Request headers that sessions are given; copied, as the request is gone when the callback returns. */
export function readHeaders(req: HttpRequest, names: readonly string[]): Peer['headers'] {
  if (names.length === 0) return NO_HEADERS;
  const headers: Record<string, string> = {};
  for (const name of names) {
    const value = req.getHeader(name);
    if (value !== '') headers[name] = value;
  }
  return headers;
}
