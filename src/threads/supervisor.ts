/**
 * Starts the workers, watches them, replaces one that failed, and ends them in order.
 *
 * A failed worker's life from here: the acceptors give it no more connections; the others get new wires to its slot at
 * once and treat what it held as lost; it closes its sockets and ends; a new thread starts on the new wires. A worker is
 * never terminated while it has sockets, because the socket library would take the whole process down.
 */
import { performance } from 'node:perf_hooks';
import { type Transferable, Worker } from 'node:worker_threads';
import type { Config } from '../config/config.js';
import { createReplacementWires, portsOf, type Rewire, type Wires } from '../mesh/wires.js';
import type { Log } from '../observe/log.js';
import type { Acceptor } from '../transport/acceptor.js';
import type { AppDescriptor } from '../transport/uws.js';
import { HangWatch, NOT_STARTED } from './heartbeat.js';
import type { Certificates, FromWorker, ToWorker, WorkerBoot } from './messages.js';

/** A worker that keeps failing is not going to get better: this many replacements within this time end the process. */
const REPLACEMENTS_MAX = 20;
const REPLACEMENTS_WINDOW_MS = 60_000;
/** A failed worker has this long to close its sockets and end. */
const END_TIMEOUT_MS = 10_000;
const HANG_CHECK_MS = 500;
/**
 * A quarter of Node's default. What a worker makes is either gone within a turn or stays with a connection, so a larger
 * nursery only makes the process larger: idle connections weigh less than half, at the same CPU.
 */
const YOUNG_GENERATION_MAX_MB = 12;

interface Slot {
  thread: Worker;
  wires: Wires;
  /** One for each acceptor; none before it is ready, and when it must close. */
  apps: readonly AppDescriptor[];
  /** The acceptors give it connections. */
  serving: boolean;
  /** For the thread that is to take its place. */
  next: Wires | undefined;
  state: 'starting' | 'ready' | 'failed' | 'ended';
}

export interface SupervisorDeps {
  readonly entry: URL;
  readonly boot: Omit<WorkerBoot, 'wires'>;
  readonly ringBytes: number;
  /** One for each listener. */
  readonly acceptors: readonly Acceptor[];
  readonly log: Log;
  /** Main's own end of the mesh must follow replacements too. */
  readonly rewireMain: (rewire: Rewire) => void;
  /** The process cannot go on. */
  readonly giveUp: (reason: string) => void;
}

export class Supervisor {
  readonly #slots: Slot[] = [];
  readonly #replacements: number[] = [];
  readonly #hangs: HangWatch | undefined;
  readonly #hangTimer: NodeJS.Timeout | undefined;
  #config: Config;
  #certificates: Certificates;
  #ending = false;

  constructor(private readonly deps: SupervisorDeps) {
    this.#config = deps.boot.config;
    this.#certificates = deps.boot.certificates;
    const { hang_timeout: timeout } = deps.boot.config.workers;
    if (timeout <= 0) return;
    this.#hangs = new HangWatch(deps.boot.heartbeats, timeout, (slot, hanging, silentMs) =>
      this.#hung(this.#slots[slot]!, hanging, Math.round(silentMs)),
    );
    this.#hangTimer = setInterval(() => this.#hangs!.check(performance.now()), HANG_CHECK_MS);
  }

  /** Start one worker for each set of wires. Rejects if any of them fails before it is ready. */
  async start(wires: readonly Wires[]): Promise<void> {
    await Promise.all(wires.map((set) => this.#spawn(set)));
  }

  /** Channel options and token keys for the workers there are and those to come. */
  reload(config: Config): void {
    this.#config = config;
    this.#tellAll({ type: 'reload', config });
  }

  /** Certificates of new connections. They must have been checked: a worker that cannot use them fails. */
  renew(certificates: Certificates): void {
    this.#certificates = certificates;
    this.#tellAll({ type: 'renew', certificates });
  }

  /** Have all connections closed with 3001, then end the workers. Resolves when the last one has ended. */
  async end(): Promise<void> {
    this.#ending = true;
    clearInterval(this.#hangTimer);
    await Promise.all(this.#slots.map((slot) => this.#drain(slot)));
  }

  get threads(): readonly Worker[] {
    return this.#slots.map((slot) => slot.thread);
  }

  #spawn(wires: Wires): Promise<void> {
    const { boot, entry } = this.deps;
    const data: WorkerBoot = { ...boot, config: this.#config, certificates: this.#certificates, wires };
    const thread = new Worker(entry, {
      workerData: data,
      transferList: portsOf([...wires.outgoing, ...wires.incoming]),
      name: `worker ${wires.self}`,
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_GENERATION_MAX_MB },
    });
    const slot: Slot = { thread, wires, apps: [], serving: false, next: undefined, state: 'starting' };
    this.#slots[wires.self] = slot;
    return new Promise((resolve, reject) => {
      thread.on('message', (message: FromWorker) => {
        if (message.type === 'ready') {
          slot.state = 'ready';
          slot.apps = message.apps;
          this.#hangs?.restart(wires.self, performance.now());
          if (!this.#ending) this.#giveConnections(slot);
          resolve();
        } else if (message.type === 'apps') {
          this.#exchange(slot, message.apps);
        } else if (message.type === 'failed') {
          if (slot.state === 'starting') reject(new Error(message.error));
          else this.#failed(slot, message.error);
        }
      });
      // Errors are caught inside; what arrives here was fatal to the thread (out of memory, a failing start).
      thread.on('error', (error) => {
        if (slot.state === 'starting') reject(error);
        else this.#failed(slot, String(error.stack ?? error));
      });
      thread.on('exit', () => {
        reject(new Error(`worker ${wires.self} ended before it was ready`));
        this.#exited(slot);
      });
    });
  }

  #failed(slot: Slot, error: string): void {
    if (slot.state !== 'ready') return;
    slot.state = 'failed';
    this.deps.log.error({ slot: slot.wires.self, error }, 'worker failed and is being replaced');
    this.#letGo(slot);
    if (this.#ending) return;
    slot.next = this.#rewire(slot.wires);
    const now = performance.now();
    this.#replacements.push(now);
    while (this.#replacements[0]! < now - REPLACEMENTS_WINDOW_MS) this.#replacements.shift();
    if (this.#replacements.length > REPLACEMENTS_MAX) this.deps.giveUp('workers keep failing');
    const timer = setTimeout(() => {
      if (slot.state === 'failed') this.deps.giveUp(`failed worker ${slot.wires.self} does not end`);
    }, END_TIMEOUT_MS);
    timer.unref();
  }

  #exited(slot: Slot): void {
    const { state } = slot;
    slot.state = 'ended';
    if (this.#ending || state === 'starting') return;
    if (state === 'ready') {
      this.deps.giveUp(`worker ${slot.wires.self} ended without a word`);
      return;
    }
    this.#hangs?.restart(slot.wires.self, NOT_STARTED);
    this.#spawn(slot.next!).then(
      () => this.deps.log.info({ slot: slot.wires.self }, 'worker replaced'),
      (error: unknown) => this.deps.giveUp(`worker ${slot.wires.self} could not be replaced: ${String(error)}`),
    );
  }

  /** Have everybody else use new wires to the slot, and thereby forget the thread that was there. */
  #rewire({ self, workers, bells }: Wires): Wires {
    const { wires, rewires } = createReplacementWires(self, workers, this.deps.ringBytes, bells);
    for (const [other, rewire] of rewires) {
      if (other === workers) this.deps.rewireMain(rewire);
      else if (this.#slots[other]!.next !== undefined) this.#adopt(this.#slots[other]!.next!, rewire);
      else this.#tell(this.#slots[other]!, { type: 'rewire', rewire }, portsOf([rewire.outgoing, rewire.incoming]));
    }
    return wires;
  }

  /** The other slot is being replaced as well: its next thread starts with these wires. */
  #adopt(next: Wires, rewire: Rewire): void {
    next.outgoing[rewire.slot] = rewire.outgoing;
    next.incoming[rewire.slot] = rewire.incoming;
  }

  /** A worker that stands still gets no new connections: they would wait with those it has. */
  #hung(slot: Slot, hanging: boolean, silentMs: number): void {
    const fields = { slot: slot.wires.self, silent_ms: silentMs };
    if (hanging) {
      this.deps.log.error(fields, 'worker hangs: its clients and channels stand still');
      this.#takeConnections(slot);
    } else {
      this.deps.log.warn(fields, 'worker is back');
      this.#giveConnections(slot);
    }
  }

  #giveConnections(slot: Slot): void {
    if (slot.apps.length === 0 || slot.serving) return;
    slot.serving = true;
    slot.apps.forEach((app, i) => void this.deps.acceptors[i]!.addChild(app));
  }

  #takeConnections(slot: Slot): void {
    if (slot.serving) slot.apps.forEach((app, i) => void this.deps.acceptors[i]!.removeChild(app));
    slot.serving = false;
  }

  /** Nobody is turned away in between: to an acceptor this is one step. */
  #exchange(slot: Slot, apps: readonly AppDescriptor[]): void {
    if (slot.apps.length === 0) return;
    const { serving } = slot;
    this.#takeConnections(slot);
    slot.apps = apps;
    if (serving) this.#giveConnections(slot);
  }

  #drain(slot: Slot): Promise<void> {
    if (slot.state === 'ended') return Promise.resolve();
    return new Promise((resolve) => {
      slot.thread.once('exit', () => resolve());
      slot.thread.on('message', (message: FromWorker) => {
        if (message.type === 'drained') this.#letGo(slot);
      });
      if (slot.state === 'ready') this.#tell(slot, { type: 'drain' });
      else this.#letGo(slot);
    });
  }

  /** In this order: an acceptor must not know a child that has ended. */
  #letGo(slot: Slot): void {
    this.#takeConnections(slot);
    slot.apps = [];
    this.#tell(slot, { type: 'close' });
  }

  #tellAll(message: ToWorker): void {
    for (const slot of this.#slots) this.#tell(slot, message);
  }

  #tell(slot: Slot, message: ToWorker, transfer: readonly Transferable[] = []): void {
    slot.thread.postMessage(message, transfer);
  }
}
