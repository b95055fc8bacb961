/**
 * Names in Redis, which Centrifugo nodes share. `P` is the prefix, `ch` the channel; in a Cluster `ch` is written `{ch}`, so
 * that all of a channel's keys, and the PUB/SUB channel that scripts publish to, are in one slot.
 *
 *   P.client.<ch>                 PUB/SUB: publications, join, leave (envelope.ts)
 *   P.stream.<ch>                 stream, entry `<offset>-0` with field `d`, a protobuf Publication
 *   P.stream.meta.<ch>            hash: e epoch, s top offset, v version, ve version epoch; ours: moved, carried… (carry-over.ts)
 *   P.list.<ch>, P.list.meta.<ch> the same as a list, newest first
 *   P.result.<ch>.<key>           hash: e epoch, s offset of an idempotent publish; without history e is '' and s absent
 *   P.presence.data.<ch>          hash: client to protobuf ClientInfo
 *   P.presence.expire.<ch>        sorted set: client by Unix second of expiry
 *   P.presence.user.clients.<ch>  hash: user to number of clients
 *   P.presence.user.expire.<ch>   sorted set: user by Unix second of expiry
 */
export class Keys {
  readonly #open: string;
  readonly #close: string;
  readonly #client: string;
  readonly #data: string;
  readonly #meta: string;

  constructor(
    private readonly prefix: string,
    isCluster: boolean,
    useLists: boolean,
  ) {
    this.#open = isCluster ? '{' : '';
    this.#close = isCluster ? '}' : '';
    this.#client = `${prefix}.client.${this.#open}`;
    this.#data = `${prefix}.${useLists ? 'list' : 'stream'}.${this.#open}`;
    this.#meta = `${prefix}.${useLists ? 'list' : 'stream'}.meta.${this.#open}`;
  }

  client(channel: string): string {
    return this.#client + channel + this.#close;
  }

  /** The channel of {@link client}'s answer. */
  channelOf(client: string): string {
    return client.slice(this.#client.length, client.length - this.#close.length);
  }

  /** Stream or list. */
  data(channel: string): string {
    return this.#data + channel + this.#close;
  }

  meta(channel: string): string {
    return this.#meta + channel + this.#close;
  }

  result(channel: string, idempotencyKey: string): string {
    return `${this.prefix}.result.${this.#open}${channel}${this.#close}.${idempotencyKey}`;
  }

  presence(channel: string, kind: 'data' | 'expire' | 'user.clients' | 'user.expire'): string {
    return `${this.prefix}.presence.${kind}.${this.#open}${channel}${this.#close}`;
  }
}
