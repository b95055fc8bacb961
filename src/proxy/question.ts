import type { Bytes } from '../protocol/messages.js';
import type { ClientHeaders } from './headers.js';

/** The connection that an event is about. */
export interface Subject {
  readonly id: string;
  readonly user: string;
  readonly transport: string;
  readonly codec: { readonly name: 'json' | 'protobuf' };
  /** JSON that goes with the connection, for the application only. */
  readonly meta: Bytes | undefined;
  readonly headers: ClientHeaders;
}

/** What happened, as the application is told. What is '' or empty is left out. */
export interface EventFields {
  readonly channel?: string;
  readonly method?: string;
  readonly name?: string;
  readonly version?: string;
  readonly channels?: readonly string[];
  readonly data?: Bytes | undefined;
}

export interface Question {
  readonly about: Subject;
  readonly event: EventFields;
  /** The application is told who it is. */
  readonly named: boolean;
}
