/** Thread entry of a worker: the only place where its parts meet. */
import { parentPort, workerData } from 'node:worker_threads';
import { clusterView } from './api/cluster-view.js';
import type { ApiDeps } from './api/deps.js';
import { answerHealth } from './api/ready.js';
import { answerSurveys } from './api/survey.js';
import { Edge } from './channels/edge.js';
import { LAST_SEEN_STEP_MS } from './channels/last-seen.js';
import { Owner, POSITION_CHECK_STEP_MS } from './channels/owner.js';
import { Client } from './clients/client.js';
import type { ClientDeps } from './clients/deps.js';
import { Emulation } from './clients/emulation.js';
import { Homes } from './clients/homes.js';
import { Registry } from './clients/registry.js';
import type { Peer, Socket } from './clients/socket.js';
import { answerControl, WorkerControl } from './clients/worker-control.js';
import type { CommandDeps } from './commands/deps.js';
import { dispatch } from './commands/dispatch.js';
import { renewals } from './commands/renewals.js';
import { listenersOf } from './config/listeners.js';
import { clientHeaders, type Endpoint, endpoints } from './endpoints.js';
import { openEngine } from './engine/open.js';
import type { GrpcListener } from './grpc/listener.js';
import { monotonicClock, systemClock } from './lib/clock.js';
import { PassingMap } from './lib/passing-map.js';
import { TimerWheel } from './lib/timer-wheel.js';
import { createLog } from './observe/log.js';
import { codecFor } from './protocol/codecs.js';
import { disconnects } from './protocol/codes.js';
import { Proxies } from './proxy/proxies.js';
import { buildAccess } from './threads/access.js';
import { Admission } from './threads/admission.js';
import { beat } from './threads/heartbeat.js';
import { joinMesh } from './threads/join.js';
import type { FromWorker, ToWorker, WorkerBoot } from './threads/messages.js';
import { ChildApps } from './transport/child.js';
import { compileOrigins } from './transport/origins.js';

const REPORT_MS = 1000;

const boot = workerData as WorkerBoot;
const { config, node } = boot;
const { self: slot } = boot.wires;
const clock = systemClock;
const log = createLog(config.log, { worker: slot });
const port = parentPort!;
const tell = (message: FromWorker): void => port.postMessage(message);

// First, because it may take a while: nothing of the other threads waits for this one yet.
const proxies = await Proxies.open(config, log);

// ---- the mesh and the data path ----

const joined = joinMesh(boot.wires, log);
const { turn, mesh, calls, asks, chores } = joined;
const access = buildAccess(config);
const edge = new Edge({
  mesh,
  calls,
  turn,
  clock,
  owners: boot.owners,
  hashSeed: boot.hashSeed,
  maxLagMs: config.client.channel_position_max_time_lag,
});

const engine = openEngine(config, { turn, chores, log });
if (slot < boot.owners) {
  const owner = new Owner({
    mesh,
    calls,
    presence: engine.openPresence(),
    broker: (sink) => engine.openBroker(sink),
    history: (channel) => {
      const options = access.rules.resolve(channel)?.options;
      return {
        size: options?.history_size ?? 0,
        ttlMs: options?.history_ttl ?? 0,
        metaTtlMs: options?.history_meta_ttl ?? config.channel.history_meta_ttl,
      };
    },
    recoveryMaxPublications: config.client.recovery_max_publication_limit,
    lingerMs: engine.lingerMs,
    positionCheckMs: engine.positionCheckMs,
    later: (ms, run) => void setTimeout(run, ms).unref(),
    log,
  });
  chores.every(POSITION_CHECK_STEP_MS, () => owner.checkPositions());
  chores.every(LAST_SEEN_STEP_MS, () => owner.checkLastSeen());
  report('publications found a full ring: subscribers were told', () => owner.counters.lostPublications);
}
answerHealth(asks, () => engine.shards());
asks.answer('engine.foreignNodes', (present) => engine.setForeignNodesPresent(present as boolean));
report('links overflowed: everything of theirs counts as lost', () => mesh.overflows);

/** Log what was counted since the last look, if anything was. */
function report(message: string, count: () => number): void {
  let seen = count();
  chores.every(REPORT_MS, () => {
    const now = count();
    if (now > seen) log.warn({ count: now - seen }, message);
    seen = now;
  });
}

// ---- connections and what they may ask ----

const registry = new Registry();
const homes = new Homes(asks, registry, config);
const control = new WorkerControl(asks);
answerControl(asks, registry);
mesh.onReplaced((replaced) => {
  homes.workerDied(replaced);
  homes.workerReplaced(replaced).catch((error: unknown) => log.error({ err: error }, 'user limits may be too lax'));
});

const wheel = new TimerWheel({ now: clock.now() });
const stopWheel = wheel.run(clock);
const commandDeps: CommandDeps = {
  config,
  access,
  channels: edge,
  control,
  proxies,
  homes,
  registry,
  clock,
  version: node.version,
  nodeUid: node.uid,
};
const clientDeps: ClientDeps = {
  config,
  slot,
  turn,
  wheel,
  clock,
  random: Math.random,
  channels: edge,
  registry,
  homes,
  renewals: renewals(commandDeps),
  log,
  dispatch: (client, command) => dispatch(client, command, commandDeps),
};

const admission = new Admission(boot.admission, config.client);
/** All connections, also those that have yet to say who they are. */
const sessions = new PassingMap<Client, Client>();
let draining = false;

class CountedClient extends Client {
  override closed(): void {
    if (sessions.delete(this)) admission.closed();
    super.closed();
  }
}

function openSession(socket: Socket, peer: Peer): Client {
  const client = new CountedClient(clientDeps, socket, codecFor(peer.protocol), peer);
  sessions.set(client, client);
  admission.opened();
  // It was on its way here when the acceptor stopped.
  if (draining) client.disconnect(disconnects.shutdown);
  return client;
}

// ---- what it serves ----

answerSurveys(asks, {
  numClients: () => registry.clients,
  users: () => registry.userIds(),
  numSubscriptions: () => registry.subscriptions,
  channels: () => edge.localChannels(),
});

const apiDeps: ApiDeps = {
  access,
  channels: edge,
  control,
  cluster: clusterView(asks),
  settle,
  log,
};
const endpoint: Endpoint = {
  headers: [...clientHeaders(config), ...proxies.transportHeaders],
  allowsOrigin: compileOrigins(config.client.allowed_origins),
  admit: () => (admission.admit(monotonicClock.now()) ? 'ok' : 'busy'),
  open: openSession,
  onError: fail,
};
const registerOn = endpoints(config, {
  endpoint,
  api: apiDeps,
  emulation: new Emulation(asks, registry, node.uid),
  asks,
  version: node.version,
  log,
});
let { certificates } = boot;
const listeners = listenersOf(config);
const ofListeners = () => listeners.map(({ tls }) => tls && certificates[tls]);
const apps = new ChildApps(
  ofListeners().map((certificate, i) => ({ certificate, register: (app) => registerOn(app, listeners[i]!) })),
);

/** Threads cannot share a port, and one has time for it. With its worker it is replaced. */
const servesGrpc = (config.grpc_api.enabled || config.uni_grpc.enabled) && slot === boot.wires.workers - 1;
let grpc: readonly GrpcListener[] = [];

function renewGrpc(): void {
  for (const listener of grpc) {
    const certificate = certificates[listener.section];
    if (certificate !== undefined) listener.renew(certificate);
  }
}

// ---- its life ----

let failing = false;

/** What a request has sent to this thread is handled; errors of handlers are not the request's. */
function settle(): void {
  try {
    mesh.drainOwn();
  } catch (error) {
    fail(error);
  }
}

/** Something was thrown where nobody expected it. The state of this thread is unknown, so it makes way for another. */
function fail(error: unknown): void {
  if (failing) return;
  failing = true;
  tell({ type: 'failed', error: error instanceof Error ? (error.stack ?? error.message) : String(error) });
}

process.on('uncaughtException', fail);
process.on('unhandledRejection', fail);

async function close(): Promise<void> {
  await Promise.all(grpc.map((listener) => listener.close()));
  await apps.close();
  admission.closed(sessions.size);
  joined.leave();
  engine.close();
  stopWheel();
  process.exit(0);
}

function drain(): void {
  draining = true;
  for (const listener of grpc) listener.drain();
  for (const client of sessions.keys()) client.disconnect(disconnects.shutdown);
  tell({ type: 'drained' });
}

port.on('message', (message: ToWorker) => {
  switch (message.type) {
    case 'rewire':
      return mesh.replace(message.rewire);
    case 'reload':
      return void Object.assign(access, buildAccess(message.config));
    case 'renew':
      certificates = message.certificates;
      apps.renew(ofListeners());
      renewGrpc();
      return tell({ type: 'apps', apps: apps.descriptors });
    case 'drain':
      return drain();
    case 'close':
      return void close();
  }
});

async function begin(): Promise<void> {
  // Clients that come before the engine is there would only be told to come back.
  await engine.settled();
  if (servesGrpc) {
    const { serveGrpc } = await import('./grpc/serve.js');
    const uni = { ...endpoint, metadata: proxies.metadata };
    grpc = await serveGrpc(config, { certificates, api: apiDeps, uni, log });
    // They may have been replaced meanwhile.
    renewGrpc();
  }
  tell({ type: 'ready', apps: apps.descriptors });
}

beat(chores, boot.heartbeats, slot);
begin().catch((error: Error) => tell({ type: 'failed', error: error.message }));
