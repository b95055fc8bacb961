/** What the main thread and its workers tell each other besides the mesh: the life of a worker. */
import type { NodeIdentity } from '../api/deps.js';
import type { Config } from '../config/config.js';
import type { GrpcServer, TlsSource } from '../config/listeners.js';
import type { ServerTls } from '../config/server-tls.js';
import type { Rewire, Wires } from '../mesh/wires.js';
import type { AppCertificate } from '../transport/secure-app.js';
import type { AppDescriptor } from '../transport/uws.js';

/** Only those that something is served with. */
export type Certificates = { readonly [source in TlsSource]?: AppCertificate } & {
  readonly [server in GrpcServer]?: ServerTls;
};

/** Handed to a worker at its start. */
export interface WorkerBoot {
  readonly wires: Wires;
  readonly config: Config;
  readonly certificates: Certificates;
  readonly owners: number;
  /** Random, so that nobody can choose channel names that all belong to one owner. */
  readonly hashSeed: number;
  readonly node: NodeIdentity;
  /** See admission.ts and heartbeat.ts. */
  readonly admission: SharedArrayBuffer;
  readonly heartbeats: SharedArrayBuffer;
}

export type ToWorker =
  /** The thread in another slot was replaced. */
  | { type: 'rewire'; rewire: Rewire }
  /** Channel options and token keys have changed. */
  | { type: 'reload'; config: Config }
  /** New connections are to get these certificates: answered by `apps`. */
  | { type: 'renew'; certificates: Certificates }
  /** No connections are coming any more: close those there are with 3001, then say so. */
  | { type: 'drain' }
  /** The acceptor has let go of the worker: close everything and end. */
  | { type: 'close' };

export type FromWorker =
  /** One app for each listener. */
  | { type: 'ready'; apps: readonly AppDescriptor[] }
  /** Other apps have taken the place of some. The former still take what is on its way to them. */
  | { type: 'apps'; apps: readonly AppDescriptor[] }
  | { type: 'drained' }
  /** Something was thrown that nobody handled: the worker's state is unknown and it wants to be replaced. */
  | { type: 'failed'; error: string };
