/**
 * Connections whose transport only carries what the server says: their commands come by requests of their own
 * (centrifuge `emulation.go`), which any worker of any node may get. A request names node and session; a session names its
 * worker, so that each request travels to one place.
 *
 *   request ──▶ worker ──▶ the session's worker                                       on this node
 *               worker ──▶ main ──survey──▶ other node's main ──▶ the session's worker
 *
 * Requests of one client may overtake each other, as they come by different connections.
 */
import { randomUUID } from 'node:crypto';
import type { Asks } from '../mesh/asks.js';
import type { EmulationRequest } from '../protocol/emulation.js';
import { JsonReader } from '../protocol/json-reader.js';
import { JsonError } from '../protocol/json-scanner.js';
import type { Bytes } from '../protocol/messages.js';
import type { Client } from './client.js';
import type { Registry } from './registry.js';

/** What a node answers, beside 0 for success: Centrifugo's codes. */
export const emulationCodes = { badRequest: 1, noSession: 2 } as const;

/** Longer than the survey of another node may take (cluster/surveys.ts). */
const OTHER_NODE_DEADLINE_MS = 12_000;

/** Between threads bytes are base64 text. */
interface Question {
  node: string;
  session: string;
  data: string;
}

/** `slot.uuid`. Whoever knows it can speak for the client. */
export const newSession = (slot: number): string => `${slot}.${randomUUID()}`;

function slotOf(session: string, workers: number): number | undefined {
  const dot = session.indexOf('.');
  const slot = dot > 0 ? Number(session.slice(0, dot)) : Number.NaN;
  return Number.isInteger(slot) && slot >= 0 && slot < workers ? slot : undefined;
}

/** Have the session's worker on this node hear a frame. @returns 0 or a code. Rejects with a ClientError. */
export async function emulateHere(
  asks: Pick<Asks, 'ask' | 'workers'>,
  { session, data }: Omit<EmulationRequest, 'node'>,
): Promise<number> {
  const slot = slotOf(session, asks.workers);
  if (slot === undefined) return emulationCodes.noSession;
  return (await asks.ask(slot, 'emulate', { node: '', session, data: toBase64(data) } satisfies Question)) as number;
}

/** A worker's part: passes requests on, and hears those that are for its own connections. */
export class Emulation {
  constructor(
    private readonly asks: Asks,
    private readonly registry: Registry,
    private readonly nodeUid: string,
  ) {
    asks.answer('emulate', (body) => {
      const { session, data } = body as Question;
      return this.#hear(session, Buffer.from(data, 'base64'));
    });
  }

  /**
   * Pass a request on. @returns false if there is no such node. Whether it has the session is not told, as in Centrifugo: a
   * client learns that its session is gone by its stream. Rejects with a ClientError.
   */
  async pass(request: EmulationRequest): Promise<boolean> {
    if (request.node !== this.nodeUid) return this.#passToNode(request);
    if (slotOf(request.session, this.asks.workers) === this.asks.self) this.#hear(request.session, request.data);
    else await emulateHere(this.asks, request);
    return true;
  }

  #passToNode({ node, session, data }: EmulationRequest): Promise<boolean> {
    const question: Question = { node, session, data: toBase64(data) };
    return this.asks.ask(this.asks.workers, 'cluster.emulate', question, OTHER_NODE_DEADLINE_MS) as Promise<boolean>;
  }

  #hear(session: string, data: Bytes): number {
    const client = this.registry.withSession(session);
    if (client === undefined) return emulationCodes.noSession;
    const frame = frameFor(client, data);
    if (frame === undefined) return emulationCodes.badRequest;
    client.receive(frame);
    return 0;
  }
}

/** On the main thread. @param pass  see {@link Emulation.pass}, for a node that is not this one. */
export function answerEmulation(
  asks: Pick<Asks, 'answer'>,
  pass: (request: EmulationRequest) => Promise<boolean>,
): void {
  asks.answer('cluster.emulate', (body) => {
    const { node, session, data } = body as Question;
    return pass({ node, session, data: Buffer.from(data, 'base64') });
  });
}

function frameFor(client: Client, data: Bytes): Bytes | undefined {
  if (client.codec.binary) return data;
  try {
    const reader = new JsonReader(data);
    const frame = reader.string();
    reader.end();
    return Buffer.from(frame);
  } catch (error) {
    if (error instanceof JsonError) return undefined;
    throw error;
  }
}

const toBase64 = (bytes: Bytes): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64');
