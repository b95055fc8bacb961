/** A worker without a network: connections over fake sockets, real codecs, and time that stands still. */
import { createHmac } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import protobuf from 'protobufjs';
import { ChannelRules } from '../../src/auth/rules.js';
import { TokenVerifier } from '../../src/auth/token.js';
import { Client } from '../../src/clients/client.js';
import type { ControlOp } from '../../src/clients/control-ops.js';
import type { ClientDeps } from '../../src/clients/deps.js';
import { Homes } from '../../src/clients/homes.js';
import { Registry } from '../../src/clients/registry.js';
import type { Peer, UniTransport } from '../../src/clients/socket.js';
import { answerControl, controlWorkers, WorkerControl } from '../../src/clients/worker-control.js';
import type { CommandDeps } from '../../src/commands/deps.js';
import { dispatch } from '../../src/commands/dispatch.js';
import { renewals } from '../../src/commands/renewals.js';
import { type Config, configSchema } from '../../src/config/config.js';
import { ManualClock } from '../../src/lib/clock.js';
import { TimerWheel } from '../../src/lib/timer-wheel.js';
import { Turn } from '../../src/lib/turn.js';
import { codecFor } from '../../src/protocol/codecs.js';
import { ENTRY_JSON, encodeEntry } from '../../src/protocol/entry.js';
import type { ConnectRequest } from '../../src/protocol/messages.js';
import { emptyConnect } from '../../src/protocol/requests.js';
import { Proxies } from '../../src/proxy/proxies.js';
import { FakeThreads } from './fake-asks.js';
import { FakeChannels } from './fake-channels.js';
import { FakeSocket } from './fake-socket.js';

/** Unix time at which rigs start: 1,700,000,000 s. */
export const START_SECONDS = 1_700_000_000;
export const SECRET = 'secret';

export interface Options {
  client?: object;
  channel?: object;
  rpc?: object;
  proxies?: object[];
  websocket?: object;
  uni_websocket?: object;
}

/** Anything a test looks at in a reply or push. */
// biome-ignore lint/suspicious/noExplicitAny: decoded messages have any shape
export type Message = any;

export class Rig {
  readonly clock = new ManualClock(START_SECONDS * 1000);
  readonly wheel = new TimerWheel({ now: this.clock.now() });
  readonly turn = new Turn({ before() {}, after() {} }, () => {});
  readonly channels = new FakeChannels();
  readonly registry = new Registry();
  readonly errors: string[] = [];
  readonly config: Config;
  readonly homes: Homes;
  readonly control: WorkerControl;
  readonly proxies: Proxies;
  readonly commands: CommandDeps;
  readonly deps: ClientDeps;

  constructor(options: Options = {}, threads = new FakeThreads(), slot = 0) {
    const { client, ...rest } = options;
    this.config = configSchema.parse({ ...rest, client: { token: { hmac_secret_key: SECRET }, ...client } });
    const asks = threads.asks[slot]!;
    this.homes = new Homes(asks, this.registry, this.config);
    this.control = new WorkerControl(asks);
    answerControl(asks, this.registry);
    threads.main.answer('cluster.control', (op) => controlWorkers(threads.main, op as ControlOp));
    const tokens = new TokenVerifier(this.config.client.token, { clock: this.clock });
    const log = { error: (_fields: object, message: string) => this.errors.push(message), info() {}, debug() {} };
    this.proxies = new Proxies(this.config, log);
    this.commands = {
      config: this.config,
      access: { rules: new ChannelRules(this.config.channel), connectTokens: tokens, subscribeTokens: tokens },
      channels: this.channels,
      control: this.control,
      proxies: this.proxies,
      homes: this.homes,
      registry: this.registry,
      clock: this.clock,
      version: '1.2.3',
      nodeUid: 'this node',
    };
    this.deps = {
      config: this.config,
      slot,
      turn: this.turn,
      wheel: this.wheel,
      clock: this.clock,
      random: () => 0,
      channels: this.channels,
      registry: this.registry,
      homes: this.homes,
      renewals: renewals(this.commands),
      log,
      dispatch: (client, command) => dispatch(client, command, this.commands),
    };
  }

  open(peer: Partial<Peer> = {}): Connection {
    return new Connection(this, {
      transport: 'websocket',
      protocol: 'json',
      framePingPong: false,
      headers: {},
      ...peer,
    });
  }

  /** Open and connect with a token for `user`. */
  async connect(user = 'ann', claims: object = {}, peer: Partial<Peer> = {}): Promise<Connection> {
    const connection = this.open(peer);
    connection.say({ id: 1, connect: { token: token({ sub: user, ...claims }) } });
    await this.settle();
    connection.read();
    return connection;
  }

  /** Publish from elsewhere. */
  publish(channel: string, value: unknown, tags?: Record<string, string>): void {
    const entry = encodeEntry({ data: Buffer.from(JSON.stringify(value)), tags }, ENTRY_JSON);
    const call = { skipHistory: false, idempotencyKey: '', version: 0, versionEpoch: '', delta: false };
    this.channels.publish(channel, entry, call, () => {});
  }

  /** Let promises run and the turn end. */
  async settle(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    this.turn.runNow();
  }

  /** Open a unidirectional connection and have it connect with a token for `user`. */
  async hear(transport: UniTransport, request: Partial<ConnectRequest> = {}, peer: Partial<Peer> = {}) {
    const connection = this.open({ transport, ...peer });
    connection.client.connect({ ...emptyConnect(), token: token({ sub: 'ann' }), ...request });
    await this.settle();
    return connection;
  }

  advance(ms: number): void {
    this.clock.advance(ms);
    this.wheel.advance(this.clock.now());
    this.turn.runNow();
  }
}

export class Connection {
  readonly socket = new FakeSocket();
  readonly client: Client;
  #seen = 0;

  constructor(
    private readonly rig: Rig,
    peer: Peer,
  ) {
    this.client = new Client(rig.deps, this.socket, codecFor(peer.protocol), peer);
  }

  /** Commands in one frame. The frame is overwritten afterwards, as transports do. */
  say(...commands: object[]): void {
    const frame = this.client.codec.name === 'json' ? jsonFrame(commands) : protobufFrame(commands);
    this.client.receive(frame);
    frame.fill(0x20);
  }

  /** A command, and what came of it once everything has settled. */
  async ask(command: object): Promise<Message[]> {
    this.say(command);
    await this.rig.settle();
    return this.read();
  }

  /** Messages since the last time. */
  read(): Message[] {
    this.rig.turn.runNow();
    const frames = this.socket.frames.slice(this.#seen);
    this.#seen = this.socket.frames.length;
    const { codec, unidirectional } = this.client;
    const type = unidirectional ? Push : Reply;
    return frames.flatMap((frame) => (codec.name === 'json' ? jsonMessages(frame) : protoMessages(frame, type)));
  }

  get closeCode(): number | undefined {
    return this.socket.closed?.code;
  }
}

export function token(claims: object, secret = SECRET): string {
  const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const signed = `${encode({ alg: 'HS256', typ: 'JWT' })}.${encode(claims)}`;
  return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`;
}

function jsonFrame(commands: object[]): Buffer {
  return Buffer.from(commands.map((command) => JSON.stringify(command)).join('\n'));
}

function jsonMessages(frame: Buffer): Message[] {
  return frame
    .toString()
    .split('\n')
    .map((message) => JSON.parse(message));
}

const root = protobuf.loadSync(fileURLToPath(new URL('../protocol/client.proto', import.meta.url)));
const Command = root.lookupType('gyre.test.Command');
const Reply = root.lookupType('gyre.test.Reply');
const Push = root.lookupType('gyre.test.Push');

function protobufFrame(commands: object[]): Buffer {
  return Buffer.concat(commands.map((command) => Command.encodeDelimited(Command.fromObject(command)).finish()));
}

function protoMessages(frame: Buffer, type: protobuf.Type): Message[] {
  const reader = protobuf.Reader.create(frame);
  const messages: Message[] = [];
  while (reader.pos < reader.len) messages.push(type.toObject(type.decodeDelimited(reader), { longs: Number }));
  return messages;
}
