/** Process entry of the server: starts the threads, listens, follows signals. */
import { randomInt, randomUUID } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { type Issuing, openIssuing } from './acme/open.js';
import { version } from './cli/version.js';
import { Cluster } from './cluster/cluster.js';
import { redisLink } from './cluster/redis-link.js';
import type { Config } from './config/config.js';
import { planWorkers } from './config/cores.js';
import { certificateSources, listenersOf, unusedTls } from './config/listeners.js';
import type { LoadedConfig } from './config/load.js';
import { monotonicClock, systemClock } from './lib/clock.js';
import { RecordKind } from './mesh/records.js';
import { createWires, ringBytesFor } from './mesh/wires.js';
import { isLoopback, showLimits } from './observe/limits.js';
import { createLog, type Log } from './observe/log.js';
import { showReady } from './observe/ready.js';
import { buildAccess } from './threads/access.js';
import { createAdmission } from './threads/admission.js';
import { CertificateStore } from './threads/certificates.js';
import { createHeartbeats } from './threads/heartbeat.js';
import { joinMesh } from './threads/join.js';
import { Supervisor } from './threads/supervisor.js';
import { type Acceptor, createAcceptor } from './transport/acceptor.js';
import { websocketErrors, websocketNotices } from './transport/websocket-options.js';

/**
 * Run the server until a signal ends the process. Resolves when it accepts connections.
 * @throws Error in one line when it cannot start.
 */
export async function serve(loaded: LoadedConfig): Promise<void> {
  const { config } = loaded;
  const log = createLog(config.log, {});
  for (const warning of [...loaded.warnings, ...notices(config)]) log.warn(warning);
  // What the workers would fail on is found here, where it can be said in one line.
  buildAccess(config);
  const [problem] = [
    ...websocketErrors('websocket', config.websocket),
    ...websocketErrors('uni_websocket', config.uni_websocket),
  ];
  if (problem !== undefined) throw new Error(problem);

  const plan = planWorkers(config.workers);
  const ringBytes = ringBytesFor(plan.count, config.workers.ring_size);
  const wires = createWires(plan.count, ringBytes);
  const ringsBytes = ringBytes * wires.length ** 2;
  showLimits(log, config, { plan, ringsBytes });
  const main = joinMesh(wires[plan.count]!, log);
  // Main holds nothing of another thread's that could be lost.
  main.mesh.on(RecordKind.overflow, () => {});
  const listeners = listenersOf(config);
  const issuing = await openIssuing(config.http_server.tls_autocert, log);
  const certificates = new CertificateStore(config, {
    sources: certificateSources(config),
    log,
    issued: issuing?.cached,
    changed: (fresh) => supervisor.renew(fresh),
  });
  const acceptors = listeners.map(({ tls }) => createAcceptor(tls !== undefined));
  const startedAt = systemClock.now();
  const node = {
    uid: randomUUID(),
    name: config.node.name || nodeName(config.http_server.port),
    version: version(),
    startedAtMs: startedAt,
  };
  let cluster: Cluster | undefined;
  let ending = false;
  const end = (exitCode: number): void => {
    if (ending) return;
    ending = true;
    void shutDown(exitCode, { supervisor, acceptors, issuing, cluster }, config.shutdown.timeout, log);
  };
  const supervisor = new Supervisor({
    entry: new URL('./worker.js', import.meta.url),
    boot: {
      config,
      certificates: certificates.current,
      owners: plan.owners,
      hashSeed: randomInt(2 ** 32),
      node,
      admission: createAdmission(config.client, monotonicClock.now()),
      heartbeats: createHeartbeats(plan.count),
    },
    ringBytes,
    acceptors,
    log,
    rewireMain: (rewire) => main.mesh.replace(rewire),
    giveUp: (reason) => {
      log.fatal(reason);
      end(1);
    },
  });
  await supervisor.start(wires.slice(0, plan.count));
  cluster = await Cluster.join({ asks: main.asks, node, clock: systemClock, log }, redisLink(config, node.uid, log));
  const ports: number[] = [];
  for (const [i, { address, port }] of listeners.entries()) ports.push(await acceptors[i]!.listen(address, port));
  certificates.watch();
  issuing?.run((fresh) => certificates.issued(fresh));
  if (config.pid_file !== '') writeFileSync(config.pid_file, `${process.pid}\n`);
  process.on('SIGHUP', () => reload(loaded, supervisor, certificates, log));
  process.on('SIGINT', () => end(0));
  process.on('SIGTERM', () => end(0));
  // Last: whoever waits for this line may send a signal right after it.
  showReady(log, {
    config,
    listeners,
    ports,
    plan,
    ringsBytes,
    startMs: systemClock.now() - startedAt,
  });
}

function notices({ websocket, uni_websocket, dev, http_server, grpc_api }: Config): string[] {
  const found = websocketNotices('websocket', websocket);
  if (uni_websocket.enabled) found.push(...websocketNotices('uni_websocket', uni_websocket));
  found.push(...unusedTls({ http_server }));
  if (dev.demo && !isLoopback(http_server.address))
    found.push('dev.demo: whoever reaches this server is given a token');
  if (grpc_api.enabled && grpc_api.key === '')
    found.push('grpc_api.key is empty: whoever reaches the port may call the server API');
  return found;
}

const nodeName = (port: number): string => `${hostname()}_${port}`;

function reload(loaded: LoadedConfig, supervisor: Supervisor, certificates: CertificateStore, log: Log): void {
  try {
    const fresh = loaded.reload();
    buildAccess(fresh.config);
    supervisor.reload(fresh.config);
    certificates.reload(fresh.config);
    log.info('channel options and token keys are reloaded');
  } catch (error) {
    log.error({ err: error }, 'the configuration cannot be used, the former one stays');
  }
}

async function shutDown(
  exitCode: number,
  parts: {
    supervisor: Supervisor;
    acceptors: readonly Acceptor[];
    issuing: Issuing | undefined;
    cluster: Cluster | undefined;
  },
  timeoutMs: number,
  log: Log,
): Promise<void> {
  log.info('shutting down');
  const timer = setTimeout(() => {
    log.error({ timeout_ms: timeoutMs }, 'shutdown takes too long');
    // Not process.exit: it ends the workers first, and the socket library has the process abort, with a core dump, when
    // a thread ends that has sockets.
    process.kill(process.pid, 'SIGKILL');
  }, timeoutMs);
  parts.issuing?.close();
  for (const acceptor of parts.acceptors) acceptor.close();
  // Before connections are closed: surveys of other nodes need not wait for this one.
  await parts.cluster?.leave();
  await parts.supervisor.end();
  parts.cluster?.close();
  clearTimeout(timer);
  process.exit(exitCode);
}
