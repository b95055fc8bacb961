/**
 * This node among others, on the main thread: what is heard from them is carried out here, what is asked of all of them goes
 * out from here. Without a controller (memory engine) the node is alone and all is the same.
 */
import { isGlob } from '../api/channels.js';
import { answerClusterView, type ClusterView } from '../api/cluster-view.js';
import type { NodeIdentity } from '../api/deps.js';
import type { NodeInfo } from '../api/info.js';
import { answerHealth } from '../api/ready.js';
import { type ChannelsAnswer, mergeChannels } from '../api/survey.js';
import type { ControlOp } from '../clients/control-ops.js';
import { answerEmulation, emulateHere, emulationCodes } from '../clients/emulation.js';
import { controlWorkers } from '../clients/worker-control.js';
import type { Controller, ShardHealth } from '../engine/engine.js';
import type { Clock } from '../lib/clock.js';
import type { Asks } from '../mesh/asks.js';
import { errors } from '../protocol/codes.js';
import { decodeProtoEmulation, type EmulationRequest, encodeEmulation } from '../protocol/emulation.js';
import type { Bytes } from '../protocol/messages.js';
import { ProtoError } from '../protocol/proto-reader.js';
import {
  decodeChannelsRequest,
  decodeChannelsResult,
  encodeChannelsRequest,
  encodeChannelsResult,
} from './channels-survey.js';
import { decodeControl } from './control-decode.js';
import { encodeControl } from './control-encode.js';
import type { ControlMessage, Received } from './control-messages.js';
import { Nodes, type Placement } from './nodes.js';
import { OwnNode } from './own-node.js';
import { type SurveyReply, Surveys, surveyCodes } from './surveys.js';

interface Log {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export interface ClusterDeps {
  /** Main's. */
  readonly asks: Asks;
  readonly node: NodeIdentity;
  /** The system's. */
  readonly clock: Clock;
  readonly log: Log;
}

/** How to meet the others. */
export interface ClusterLink {
  readonly placement: Placement;
  /** @param hear  is given every message, its bytes borrowed. */
  open(hear: (message: Bytes) => void): Promise<Controller>;
}

export class Cluster implements ClusterView {
  readonly #own: OwnNode;
  readonly #nodes: Nodes;
  readonly #surveys: Surveys;
  #controller: Controller | undefined;

  private constructor(
    private readonly deps: ClusterDeps,
    placement: Placement,
  ) {
    const { node, asks, clock, log } = deps;
    const send = (message: ControlMessage, nodeUid: string): Promise<void> => this.#send(message, nodeUid);
    this.#own = new OwnNode(node, asks, clock);
    this.#nodes = new Nodes({
      uid: node.uid,
      info: () => this.#own.info(),
      send,
      placement,
      left: (uid) => this.#surveys.left(uid),
      hearsAll: () => this.#shards().every(({ healthy }) => healthy),
      foreignNodes: (present) => this.#tellWorkers(present),
      log,
    });
    this.#surveys = new Surveys({
      send,
      others: () => this.#nodes.uids(),
      answer: (op, data) => this.#answer(op, data),
      log,
    });
    answerClusterView(asks, this);
    answerHealth(asks, () => this.#shards());
    answerEmulation(asks, (request) => this.#emulate(request));
    asks.answer('cluster.control', (op) => this.#control(op as ControlOp));
  }

  /** @param link  undefined where there can be no other nodes. Resolves once the others have been greeted. */
  static async join(deps: ClusterDeps, link?: ClusterLink): Promise<Cluster> {
    const cluster = new Cluster(deps, link?.placement ?? ALONE);
    if (link === undefined) return cluster;
    cluster.#controller = await link.open((message) => cluster.#hear(message));
    await cluster.#nodes.join();
    return cluster;
  }

  /**
   * Say goodbye. Connections may still be open: others need not wait for them any more, and what they ask is answered until
   * {@link close}.
   */
  async leave(): Promise<void> {
    if (this.#controller === undefined) return;
    const longEnough = new Promise((resolve) => setTimeout(resolve, GOODBYE_MAX_MS).unref());
    await Promise.race([this.#nodes.leave(), longEnough]);
  }

  close(): void {
    this.#controller?.close();
  }

  info(): Promise<NodeInfo[]> {
    return this.#nodes.list();
  }

  async channels(pattern: string): Promise<ChannelsAnswer> {
    const [own, replies] = await Promise.all([
      this.#ownChannels(pattern),
      this.#surveys.ask('channels', encodeChannelsRequest(pattern)),
    ]);
    return mergeChannels([own, ...replies.map(channelsIn)]);
  }

  /** First the others, so that an error means that nothing was done here. */
  async #control(op: ControlOp): Promise<void> {
    await this.#send(op, '');
    await controlWorkers(this.deps.asks, op);
  }

  async #emulate(request: EmulationRequest): Promise<boolean> {
    if (!this.#nodes.knows(request.node)) return false;
    await this.#surveys.askOne(request.node, EMULATION, encodeEmulation(request));
    return true;
  }

  async #send(message: ControlMessage, nodeUid: string): Promise<void> {
    await this.#controller?.publish(encodeControl(this.deps.node.uid, message), nodeUid);
  }

  #shards(): readonly ShardHealth[] {
    return this.#controller?.shards() ?? [];
  }

  #hear(bytes: Bytes): void {
    try {
      const { uid, message } = decodeControl(bytes);
      if (uid !== this.deps.node.uid) this.#obey(uid, message);
    } catch (error) {
      if (!(error instanceof ProtoError)) throw error;
      this.deps.log.error({ err: error }, 'a control message is malformed');
    }
  }

  #obey(from: string, message: Received['message']): void {
    const { log } = this.deps;
    if (message === 'unknown') return;
    if (message === 'label filter') {
      log.error({ from }, 'an operation with a label filter was not carried out: connections have no labels here');
      return;
    }
    switch (message.kind) {
      case 'node':
        this.#nodes.heard(message.node);
        break;
      case 'shutdown':
        this.#nodes.departed(from);
        break;
      case 'survey_response':
        this.#surveys.answered(from, message.response);
        break;
      case 'survey_request':
        this.#surveys
          .asked(from, message.request)
          .catch((error: unknown) => log.warn({ err: error, from }, 'a survey could not be answered'));
        break;
      default:
        controlWorkers(this.deps.asks, message).catch((error: unknown) =>
          log.error({ err: error, from, kind: message.kind }, 'an operation of another node failed'),
        );
    }
  }

  async #answer(op: string, data: Bytes): Promise<SurveyReply> {
    if (op === EMULATION) return this.#answerEmulation(data);
    if (op !== 'channels') return empty(surveyCodes.methodNotFound);
    try {
      const pattern = decodeChannelsRequest(data);
      if (!isGlob(pattern)) return empty(surveyCodes.invalidRequest);
      return { code: 0, data: encodeChannelsResult(await this.#ownChannels(pattern)) };
    } catch (error) {
      return empty(error instanceof ProtoError ? surveyCodes.invalidRequest : surveyCodes.internal);
    }
  }

  async #answerEmulation(data: Bytes): Promise<SurveyReply> {
    try {
      return empty(await emulateHere(this.deps.asks, decodeProtoEmulation(data)));
    } catch (error) {
      return empty(error instanceof ProtoError ? emulationCodes.badRequest : surveyCodes.internal);
    }
  }

  async #ownChannels(pattern: string): Promise<ChannelsAnswer> {
    return mergeChannels((await this.deps.asks.askWorkers('channels', { pattern })) as ChannelsAnswer[]);
  }

  #tellWorkers(foreign: boolean): void {
    for (let slot = 0; slot < this.deps.asks.workers; slot++) {
      // One that does not answer is told again with the next ping.
      this.deps.asks.ask(slot, 'engine.foreignNodes', foreign).catch(() => {});
    }
  }
}

/** A server that hangs must not hold up the end. */
const GOODBYE_MAX_MS = 1000;

const ALONE: Placement = { fingerprint: '', shards: 0, isChanging: false, asCentrifugo: true };

const EMULATION = 'centrifuge_emulation';

const empty = (code: number): SurveyReply => ({ code, data: NO_BYTES });
const NO_BYTES = Buffer.alloc(0);

function channelsIn({ code, data }: SurveyReply): ChannelsAnswer {
  if (code !== 0) throw errors.internal;
  return decodeChannelsResult(data);
}
