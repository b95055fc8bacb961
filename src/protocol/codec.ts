/**
 * One encoding of the client protocol: bytes of a WebSocket message to commands, replies and pushes to bytes.
 *
 * A *message* is one encoded reply or push; a *frame* is what one WebSocket message carries: one or more messages.
 *   JSON      messages joined by '\n', none trailing
 *   Protobuf  each message already carries its uvarint length prefix; a frame is their concatenation
 */
import type { Bytes, Command, Publication, Push, Reply } from './messages.js';

/** The frame is not valid in its encoding. Ends the connection with 3501. */
export class MalformedFrame extends Error {
  /** Commands ahead of the malformed one: they still count, and are answered before the connection ends. */
  readonly before: Command[];

  constructor(message: string, before: Command[] = []) {
    super(message);
    this.before = before;
  }
}

/** A payload cannot be carried by this encoding (not JSON on a JSON connection). Ends the connection with 3506. */
export class InappropriatePayload extends Error {}

export interface Codec {
  readonly name: 'json' | 'protobuf';
  /** WebSocket opcode: text for JSON, binary for Protobuf. */
  readonly binary: boolean;
  /** A server ping, as a frame. */
  readonly ping: Bytes;
  /** A pong as SDKs send it, for a byte compare ahead of {@link decode}. */
  isPong(frame: Bytes): boolean;
  /**
   * All commands of a frame, in order. Payloads are views into `frame`: whoever keeps them past the socket callback
   * copies them.
   * @throws MalformedFrame on anything undecodable, an empty frame included.
   */
  decode(frame: Bytes): Command[];
  /** @returns a view of memory that the codec uses again with its next call. */
  encodeReply(reply: Reply): Buffer;
  /** @param bare  a unidirectional transport's framing: the Push itself instead of a Reply around it. */
  encodePush(push: Push, bare?: boolean): Buffer;

  /** What every publication push of a channel begins with; built once per delivery class. */
  publicationHead(channel: string, bare: boolean): Bytes;
  /**
   * The hot push: same bytes as `encodePush({channel, pub})`.
   * @param dataAsString  JSON with delta negotiated: `data` is written as a JSON string (never set for Protobuf).
   */
  encodePublication(head: Bytes, pub: Publication, bare: boolean, dataAsString: boolean): Buffer;

  /**
   * Messages (or already joined frames) to one frame. With one element, that element itself.
   * @param scratch  where the frame may be put, if it fits.
   */
  join(messages: readonly Bytes[], scratch?: Buffer): Bytes;
}
