/**
 * Commands on their way through a Cluster: each goes to the master of its slot, and elsewhere if that one says so.
 *
 *   sent ──► reply, failure                     to whoever queued it
 *     └────► MOVED, ASK, TRYAGAIN, CLUSTERDOWN  not carried out: its slot is stalled
 *
 *   stalled slot:  refused ┐ refusals, in the order in which they come back
 *                  held    ┘ what is queued meanwhile; both are sent again, in this order, when nothing of the slot is
 *                            under way any more, after a pause where the server asked for patience
 *
 * So commands for one key are carried out in the order in which they were queued, with these exceptions. Of commands that
 * were under way together, one that met TRYAGAIN or CLUSTERDOWN may be overtaken by the next, which did not; so may one
 * that was refused by a server that the slot came back to meanwhile.
 *
 * A command is sent again only before its deadline, and then has the deadline of a new one.
 */
import { type ClientError, errors } from '../../protocol/codes.js';
import type { ClusterServer } from './cluster-server.js';
import type { LinkHandler } from './link.js';
import type { Endpoint } from './options.js';
import type { Reply, ReplyHandler, Script } from './shard.js';
import { parseRedirection, SLOTS } from './slots.js';

/** What waits at stalled slots, all together. */
const MAX_HELD_BYTES = 16 * 1024 * 1024;
/** Roughly what a command costs beside its arguments. */
const COMMAND_BYTES = 200;
const PAUSE_MS = 50;
/** Servers that send a command to and fro have not agreed yet: after so many redirections there are pauses. */
const MAX_REDIRECTIONS_AT_ONCE = 3;

type Argument = string | Uint8Array;

export interface Routes {
  ownerOf(slot: number): ClusterServer | undefined;
  serverAt(endpoint: Endpoint): ClusterServer;
  /** Its master may lack the ends of streams: nothing is published until nodes have compared what they know. */
  isSettling(slot: number): boolean;
  /** A server says that the slot is at `endpoint`. */
  moved(slot: number, endpoint: Endpoint): void;
  /** Something failed: the map may be old. */
  failed(): void;
  /** It was refused until its deadline was over. @param text  what the server said last. */
  gaveUp(text: string): void;
}

interface StalledSlot {
  readonly slot: number;
  refused: ClusterCommand[];
  held: ClusterCommand[];
  mustPause: boolean;
  pause: NodeJS.Timeout | undefined;
  isResuming: boolean;
}

/** A command and, in `keys`, what a script is told of keys. Arguments are its own: it may have to be sent again. */
export class ClusterCommand implements LinkHandler {
  /** Where it is to go, if not to the owner of its slot. */
  askAt: ClusterServer | undefined;
  /** Where it is under way. */
  server: ClusterServer | undefined;
  redirections = 0;
  /** What a server said last, if it was a refusal. */
  refusal = '';
  private readonly args: readonly Argument[];

  constructor(
    private readonly commands: ClusterCommands,
    readonly slot: number,
    private readonly script: Script | undefined,
    private readonly keys: readonly string[],
    args: readonly Argument[],
    readonly handler: ReplyHandler,
    readonly deadlineMs: number,
  ) {
    this.args = args.map((arg) => (typeof arg === 'string' ? arg : Buffer.from(arg)));
  }

  get bytes(): number {
    return this.args.reduce((sum, arg) => sum + arg.length, COMMAND_BYTES);
  }

  get publishes(): boolean {
    return this.script?.publishes === true;
  }

  sendTo(server: ClusterServer): void {
    this.server = server;
    if (this.askAt !== undefined) server.link.command(['ASKING'], ignored);
    this.askAt = undefined;
    if (this.script === undefined) server.link.command(this.args, this);
    else server.link.script(this.script, this.keys, this.args, this);
  }

  reply(reply: Reply): void {
    this.commands.settled(this);
    this.handler.reply(reply);
  }

  fail(error: ClientError): void {
    this.commands.settled(this);
    this.commands.failed(this, error);
  }

  refused(text: string): boolean {
    return this.commands.refused(this, text);
  }
}

/** Whether ASKING succeeds shows in the command that follows. */
const ignored: LinkHandler = { reply() {}, fail() {}, refused: () => true };

export class ClusterCommands {
  readonly #underWay = new Uint32Array(SLOTS);
  readonly #stalled = new Map<number, StalledSlot>();
  #heldBytes = 0;
  #isClosed = false;

  constructor(private readonly routes: Routes) {}

  queue(command: ClusterCommand): void {
    const stalled = this.#stalled.size === 0 ? undefined : this.#stalled.get(command.slot);
    if (stalled !== undefined) this.#hold(stalled, command);
    else if (!this.#trySend(command)) this.#wait(this.#stall(command.slot), command);
  }

  /** What comes next for the slot waits for what is under way at the owner it had. */
  ownerChanged(slot: number): void {
    if (this.#underWay[slot]! > 0) this.#stall(slot);
  }

  settled(command: ClusterCommand): void {
    const { slot, server } = command;
    command.server = undefined;
    this.#underWay[slot]!--;
    server!.release();
    this.#resumeIfIdle(slot);
  }

  failed(command: ClusterCommand, error: ClientError): void {
    if (error === errors.internal) this.routes.failed();
    command.handler.fail(error);
  }

  /** Answers whether it will be sent again. */
  refused(command: ClusterCommand, text: string): boolean {
    const mustPause = this.#redirect(command, text);
    if (mustPause === undefined) return false;
    command.refusal = text;
    const stalled = this.#stall(command.slot);
    stalled.refused.push(command);
    if (mustPause) stalled.mustPause = true;
    this.settled(command);
    return true;
  }

  close(): void {
    this.#isClosed = true;
    for (const { pause, refused, held } of this.#stalled.values()) {
      clearTimeout(pause);
      for (const command of [...refused, ...held]) command.handler.fail(errors.internal);
    }
    this.#stalled.clear();
  }

  /** Answers whether to pause before it is sent again; `undefined` if it must not be. */
  #redirect(command: ClusterCommand, text: string): boolean | undefined {
    if (this.#isClosed) return undefined;
    const kind = text.split(' ', 1)[0];
    if (kind === 'TRYAGAIN' || kind === 'CLUSTERDOWN') {
      this.routes.failed();
      return true;
    }
    if (kind !== 'MOVED' && kind !== 'ASK') return undefined;
    const endpoint = parseRedirection(text, command.server!.endpoint);
    if (endpoint === undefined) return undefined;
    if (kind === 'MOVED') this.routes.moved(command.slot, endpoint);
    else command.askAt = this.routes.serverAt(endpoint);
    return ++command.redirections > MAX_REDIRECTIONS_AT_ONCE;
  }

  /** Answers whether it is dealt with: sent or failed. If not, it must wait for a server that is being connected to. */
  #trySend(command: ClusterCommand): boolean {
    const server = command.askAt ?? this.routes.ownerOf(command.slot);
    if (server === undefined || (command.publishes && this.routes.isSettling(command.slot))) {
      this.failed(command, errors.internal);
      return true;
    }
    if (server.isComing) return false;
    this.#underWay[command.slot]!++;
    server.use();
    command.sendTo(server);
    return true;
  }

  #stall(slot: number): StalledSlot {
    let stalled = this.#stalled.get(slot);
    if (stalled === undefined) {
      stalled = { slot, refused: [], held: [], mustPause: false, pause: undefined, isResuming: false };
      this.#stalled.set(slot, stalled);
    }
    return stalled;
  }

  #hold(stalled: StalledSlot, command: ClusterCommand): void {
    if (this.#heldBytes + command.bytes > MAX_HELD_BYTES) {
      command.handler.fail(errors.tooManyRequests);
      return;
    }
    this.#heldBytes += command.bytes;
    stalled.held.push(command);
  }

  #wait(stalled: StalledSlot, command: ClusterCommand): void {
    this.#hold(stalled, command);
    stalled.mustPause = true;
    this.#resumeIfIdle(stalled.slot);
  }

  #resumeIfIdle(slot: number): void {
    if (this.#stalled.size === 0 || this.#underWay[slot]! > 0) return;
    const stalled = this.#stalled.get(slot);
    if (stalled === undefined || stalled.isResuming || stalled.pause !== undefined) return;
    if (stalled.mustPause) stalled.pause = setTimeout(() => this.#resume(stalled), PAUSE_MS);
    else this.#resume(stalled);
  }

  /** Failures may be told at once, and whoever is told may queue more: that is held, and sent last. */
  #resume(stalled: StalledSlot): void {
    stalled.pause = undefined;
    stalled.mustPause = false;
    stalled.isResuming = true;
    const waiting = stalled.refused;
    stalled.refused = [];
    for (let i = 0; i < waiting.length || stalled.held.length > 0; i++) {
      if (i === waiting.length) this.#takeHeld(stalled, waiting);
      const command = waiting[i]!;
      if (performance.now() > command.deadlineMs) this.#giveUp(command);
      else if (!this.#trySend(command)) {
        stalled.refused = waiting.slice(i);
        stalled.mustPause = true;
        break;
      }
    }
    stalled.isResuming = false;
    if (stalled.mustPause) this.#resumeIfIdle(stalled.slot);
    else this.#stalled.delete(stalled.slot);
  }

  #giveUp(command: ClusterCommand): void {
    if (command.refusal !== '') this.routes.gaveUp(command.refusal);
    this.failed(command, errors.internal);
  }

  #takeHeld(stalled: StalledSlot, waiting: ClusterCommand[]): void {
    for (const command of stalled.held) {
      this.#heldBytes -= command.bytes;
      waiting.push(command);
    }
    stalled.held = [];
  }
}
