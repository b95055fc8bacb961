import { isIPv6 } from 'node:net';
import type { SecureContextOptions } from 'node:tls';
import { Server, ServerCredentials, type ServerOptions } from '@grpc/grpc-js';
import type { GrpcServer } from '../config/listeners.js';
import { isSameTls, type ServerTls } from '../config/server-tls.js';

/** Calls that are answered within this time are not cut off at the end. */
const CLOSE_TIMEOUT_MS = 5_000;
const UNLIMITED = -1;

export interface ListenerConfig {
  /** '' for all interfaces. */
  readonly address: string;
  /** 0 for any that is free. */
  readonly port: number;
  /** Bytes, decompressed as well as not; 0 means 4 MiB. */
  readonly max_receive_message_size: number;
}

/** A gRPC server on a port of its own. Requests may be compressed (gzip, deflate); responses are not, the library cannot. */
export class GrpcListener {
  readonly server: Server;
  private readonly credentials: RenewableCredentials | undefined;
  private drained: Promise<void> | undefined;

  /**
   * @param section  where `config` is in the configuration
   * @param tls  undefined to serve without
   */
  constructor(
    readonly section: GrpcServer,
    private readonly config: ListenerConfig,
    tls: ServerTls | undefined,
    options: ServerOptions = {},
  ) {
    this.credentials = tls && new RenewableCredentials(tls);
    this.server = new Server({
      ...options,
      'grpc.max_send_message_length': UNLIMITED,
      ...(config.max_receive_message_size > 0 && {
        'grpc.max_receive_message_length': config.max_receive_message_size,
      }),
    });
  }

  /**
   * Services have been added: let clients come. @returns the port.
   * @throws Error in one line, if the address cannot be had.
   */
  async listen(): Promise<number> {
    const { address, port } = this.config;
    const credentials = this.credentials ?? ServerCredentials.createInsecure();
    if (address !== '') return this.bind(`${isIPv6(address) ? `[${address}]` : address}:${port}`, credentials);
    // As Go does: IPv6 and IPv4 by one socket where there is IPv6.
    return this.bind(`[::]:${port}`, credentials).catch(() => this.bind(`0.0.0.0:${port}`, credentials));
  }

  /** New connections get this certificate; one that is served without TLS stays so. */
  renew(tls: ServerTls): void {
    this.credentials?.renew(tls);
  }

  /** Take no more connections and calls; those there are go on. */
  drain(): void {
    this.drained ??= new Promise((resolve) => this.server.tryShutdown(() => resolve()));
  }

  /** Calls that go on are cut off: at once, or after some seconds for those that were told to {@link drain}. */
  async close(): Promise<void> {
    if (this.drained !== undefined) {
      let timer: NodeJS.Timeout | undefined;
      const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, CLOSE_TIMEOUT_MS)));
      await Promise.race([this.drained, late]);
      clearTimeout(timer);
    }
    this.server.forceShutdown();
  }

  private bind(target: string, credentials: ServerCredentials): Promise<number> {
    return new Promise((resolve, reject) => {
      this.server.bindAsync(target, credentials, (error, port) => {
        if (error === null) resolve(port);
        else reject(new Error(`${this.section}: cannot listen on ${target}: ${reasonOf(error)}`));
      });
    });
  }
}

/** TLS whose certificates can be replaced. Whether clients must show one is settled at the start. */
class RenewableCredentials extends ServerCredentials {
  constructor(private tls: ServerTls) {
    const mutual = tls.clientCa !== undefined;
    super({ requestCert: mutual, rejectUnauthorized: mutual }, contextOf(tls));
  }

  renew(tls: ServerTls): void {
    if (isSameTls(tls, this.tls)) return;
    this.tls = tls;
    this.updateSecureContextOptions(contextOf(tls));
  }

  override _equals(other: ServerCredentials): boolean {
    return this === other;
  }
}

function contextOf({ key, cert, clientCa }: ServerTls): SecureContextOptions {
  return { key: Buffer.from(key), cert: Buffer.from(cert), ...(clientCa && { ca: Buffer.from(clientCa) }) };
}

/** The library's message is about the addresses that a name has; in brackets it says why. */
const reasonOf = ({ message }: Error): string => /\[(.*)\]$/.exec(message)?.[1] ?? message;
