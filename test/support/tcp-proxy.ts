/** A network between clients and one server on this machine that can be made to fail in the ways networks do. */
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, Socket } from 'node:net';

const HOST = '127.0.0.1';

interface Pair {
  readonly client: Socket;
  readonly server: Socket;
}

/**
 * 'open': bytes pass.
 * 'closed': nobody listens; new connections are reset.
 * 'stalled': connections stand and new ones are accepted, but no byte arrives at either side until this is over.
 * 'deaf': the server hears everything, its answers do not arrive until this is over.
 */
export type NetworkState = 'open' | 'closed' | 'stalled' | 'deaf';

export async function startProxy(targetPort: number): Promise<TcpProxy> {
  const listener = createServer().listen(0, HOST);
  await once(listener, 'listening');
  return new TcpProxy(listener, targetPort);
}

export class TcpProxy {
  readonly port: number;
  readonly #pairs = new Set<Pair>();
  /** Clients whose server has gone without their noticing. */
  readonly #abandoned = new Set<Socket>();
  #state: NetworkState = 'open';

  constructor(
    private readonly listener: Server,
    private readonly targetPort: number,
  ) {
    this.port = (listener.address() as AddressInfo).port;
    listener.on('connection', (client) => this.#accept(client));
  }

  get url(): string {
    return `redis://${HOST}:${this.port}`;
  }

  get connections(): number {
    return this.#pairs.size;
  }

  /** Connections that are open now stay, but for 'closed', which resets them. */
  set(state: NetworkState): void {
    this.#state = state;
    if (state === 'closed') this.cut();
    else for (const pair of this.#pairs) this.#apply(pair);
  }

  /** Reset every connection, on both sides; what was on its way is gone. New ones are not hindered. */
  cut(): void {
    for (const { client, server } of this.#pairs) for (const side of [client, server]) side.resetAndDestroy();
    for (const client of this.#abandoned) client.resetAndDestroy();
  }

  /** The server is told that its clients are gone, while they keep writing to connections that nobody reads. */
  abandon(): void {
    for (const pair of this.#pairs) {
      this.#pairs.delete(pair);
      this.#abandoned.add(pair.client);
      pair.client.unpipe(pair.server).resume();
      pair.server.unpipe(pair.client).resetAndDestroy();
    }
  }

  async close(): Promise<void> {
    this.listener.close();
    this.cut();
    await once(this.listener, 'close');
  }

  #accept(client: Socket): void {
    client.on('error', () => {});
    if (this.#state === 'closed') {
      client.resetAndDestroy();
      return;
    }
    const server = new Socket().connect(this.targetPort, HOST);
    server.on('error', () => {});
    const pair = { client, server };
    this.#pairs.add(pair);
    client.once('close', () => this.#abandoned.delete(client) || this.#end(pair, server));
    server.once('close', () => this.#pairs.has(pair) && this.#end(pair, client));
    for (const side of [client, server]) side.setNoDelay(true);
    this.#apply(pair);
  }

  #apply({ client, server }: Pair): void {
    const passes = (from: Socket, to: Socket, open: boolean): void => {
      from.unpipe(to);
      if (open) from.pipe(to);
      else from.pause();
    };
    passes(client, server, this.#state !== 'stalled');
    passes(server, client, this.#state === 'open');
  }

  #end(pair: Pair, other: Socket): void {
    this.#pairs.delete(pair);
    other.destroy();
  }
}
