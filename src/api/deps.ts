/** What the methods need, each of them a part of it. */
import type { ChannelRules } from '../auth/rules.js';
import type { Channels } from '../channels/channels.js';
import type { Control } from '../clients/control.js';
import type { ClusterView } from './cluster-view.js';

/** How `info` names this process. */
export interface NodeIdentity {
  readonly uid: string;
  readonly name: string;
  readonly version: string;
  readonly startedAtMs: number;
}

export interface ApiDeps {
  /** The rules are replaced when the configuration is read again: ask at each use, do not keep. */
  readonly access: { readonly rules: Pick<ChannelRules, 'resolve'> };
  readonly channels: Pick<Channels, 'publish' | 'history' | 'removeHistory' | 'presence' | 'presenceStats'>;
  readonly control: Control;
  readonly cluster: ClusterView;
  /** Brings to its end what needs no other thread. To be called when a request has been started; does not throw. */
  settle(): void;
  readonly log: { error(fields: object, message: string): void };
}
