/**
 * What nodes say to each other: node pings, goodbyes, surveys, and operations on users' connections. The encoding is
 * Centrifugo's (centrifuge `internal/controlpb`): a Protobuf message with the uid of its sender and one command.
 */
import type { NodeInfo } from '../api/info.js';
import type { ControlOp } from '../clients/control-ops.js';
import type { Bytes } from '../protocol/messages.js';

/** What a node says of itself. */
export interface NodeReport extends NodeInfo {
  /** Whatever the node's program has to add; borrowed. */
  data: Bytes;
}

export interface SurveyRequest {
  /** Of the asking node's choice, repeated in the response. */
  id: number;
  op: string;
  data: Bytes;
}

export interface SurveyResponse {
  id: number;
  /** 0 for success. */
  code: number;
  data: Bytes;
}

export type ControlMessage =
  | { readonly kind: 'node'; readonly node: NodeReport }
  | { readonly kind: 'shutdown' }
  | { readonly kind: 'survey_request'; readonly request: SurveyRequest }
  | { readonly kind: 'survey_response'; readonly response: SurveyResponse }
  | ControlOp;

export interface Received {
  /** Of the sender. */
  readonly uid: string;
  /**
   * 'label filter': an operation that is narrowed by labels of connections, which there are none of here; carried out
   * without them it would hit everybody. 'unknown': a command of a later version, or a notification.
   */
  readonly message: ControlMessage | 'label filter' | 'unknown';
}
