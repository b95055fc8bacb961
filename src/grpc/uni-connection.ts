import { constants, type ServerHttp2Stream } from 'node:http2';
import { Metadata, type ServerWritableStream } from '@grpc/grpc-js';
import { BUFFERED, DROPPED, type OpenSession, type Peer, SENT, type Session, type Socket } from '../clients/socket.js';
import { protobufCodec } from '../protocol/codecs.js';
import type { Bytes, ConnectRequest } from '../protocol/messages.js';
import { toGrpcMessages } from './frames.js';

export type UniCall = ServerWritableStream<ConnectRequest, Buffer>;

/**
 * One unidirectional client: the stream that answers its call. A push says why it ends, the status is always OK
 * (Centrifugo: `internal/unigrpc/transport.go`).
 */
export class UniConnection implements Socket {
  private readonly stream: ServerHttp2Stream;
  private session: Session | undefined;
  private ended = false;

  /** @param onError  told of whatever the session throws; must not throw. */
  constructor(
    private readonly call: UniCall,
    private readonly onError: (error: unknown) => void,
  ) {
    this.stream = streamOf(call);
  }

  open(open: OpenSession, peer: Peer): void {
    // The client may have left while its message was read: then nobody would hear of it.
    if (this.stream.destroyed) return;
    this.stream.on('drain', () => this.guard(() => this.session?.drained()));
    this.stream.once('close', () => this.closed());
    // It is followed by `close`, and unheard it would be thrown.
    this.stream.on('error', () => {});
    this.call.sendMetadata(new Metadata());
    this.guard(() => {
      this.session = open(this, peer);
      if (!this.ended) this.session.connect(this.call.request);
    });
    if (this.session === undefined) this.destroy();
  }

  // ---- Socket ----

  get alive(): boolean {
    return !this.ended;
  }

  send(frame: Bytes): 0 | 1 | 2 {
    if (this.ended || !this.stream.writable) return DROPPED;
    return this.stream.write(toGrpcMessages(frame)) ? SENT : BUFFERED;
  }

  ping(): void {}

  end(code: number, reason: string): void {
    if (this.ended) return;
    this.send(protobufCodec.encodePush({ disconnect: { code, reason } }, true));
    this.ended = true;
    this.call.end();
  }

  destroy(): void {
    this.ended = true;
    this.stream.close(constants.NGHTTP2_CANCEL);
    // What waits for the peer to take it is not waited for.
    this.stream.destroy();
  }

  private closed(): void {
    this.ended = true;
    const { session } = this;
    this.session = undefined;
    this.guard(() => session?.closed());
  }

  private guard(run: () => void): void {
    try {
      run();
    } catch (error) {
      this.onError(error);
    }
  }
}

/**
 * The HTTP/2 stream of a call, which the library keeps to itself (1.14). On it frames of several messages are one write,
 * the same bytes go to all who get them, and a peer that takes nothing can be cut off: a call can only be ended politely.
 */
function streamOf(call: UniCall): ServerHttp2Stream {
  return (call as unknown as { call: { stream: ServerHttp2Stream } }).call.stream;
}
