/** The HTTP API over fakes: channels that answer at once or when told, control that notes what it is asked. */
import { clusterView } from '../../src/api/cluster-view.js';
import { apiRoutes } from '../../src/api/http.js';
import { answerSurveys, type SurveySources } from '../../src/api/survey.js';
import { ChannelRules } from '../../src/auth/rules.js';
import type { Channels, Done, PublishCall } from '../../src/channels/channels.js';
import { Cluster } from '../../src/cluster/cluster.js';
import { defaultConfig, type HttpApiConfig } from '../../src/config/config.js';
import type { HistoryFilter, PresenceStats, PublishResult } from '../../src/engine/engine.js';
import { ManualClock } from '../../src/lib/clock.js';
import type { ClientError } from '../../src/protocol/codes.js';
import { decodeEntry, entryFlags } from '../../src/protocol/entry.js';
import type { Bytes, ClientInfo, HistoryResult, Publication, Publications } from '../../src/protocol/messages.js';
import type { HttpResponse } from '../../src/transport/http.js';
import { FakeThreads } from '../support/fake-asks.js';

export interface Published {
  channel: string;
  data: string;
  tags: Record<string, string> | undefined;
  flags: number;
  call: PublishCall;
}

export class FakeChannels
  implements Pick<Channels, 'publish' | 'history' | 'removeHistory' | 'presence' | 'presenceStats'>
{
  readonly published: Published[] = [];
  readonly asked: unknown[] = [];
  error: ClientError | null = null;
  /** Calls wait here instead of being answered, when held. */
  held: (() => void)[] | undefined;
  position = { offset: 0, epoch: '' };
  publications: Publications = [];
  clients: Record<string, ClientInfo> = {};
  stats: PresenceStats = { numClients: 3, numUsers: 2 };

  publish(channel: string, entry: Bytes, call: PublishCall, done: Done<PublishResult>): void {
    const { data, tags } = decodeEntry(entry);
    this.published.push({ channel, data: Buffer.from(data).toString(), tags, flags: entryFlags(entry), call });
    this.#answer(done, this.position);
  }

  history(channel: string, filter: HistoryFilter, done: Done<HistoryResult>): void {
    this.asked.push({ channel, ...filter });
    this.#answer(done, { publications: this.publications, ...this.position });
  }

  removeHistory(channel: string, done: Done<void>): void {
    this.asked.push({ channel });
    this.#answer(done, undefined);
  }

  presence(channel: string, done: Done<Record<string, ClientInfo>>): void {
    this.asked.push({ channel });
    this.#answer(done, this.clients);
  }

  presenceStats(channel: string, done: Done<PresenceStats>): void {
    this.asked.push({ channel });
    this.#answer(done, this.stats);
  }

  #answer<T>(done: Done<T>, result: T): void {
    const { error } = this;
    const end = () => (error === null ? done(null, result) : done(error, undefined));
    if (this.held === undefined) end();
    else this.held.push(end);
  }
}

export function publication(some: Partial<Publication>): Publication {
  return { offset: 1, data: Buffer.from('{}'), ...some };
}

export const worker = (users: string[], channels: Record<string, number>): SurveySources => ({
  numClients: () => users.length,
  users: () => new Set(users),
  numSubscriptions: () => Object.values(channels).reduce((sum, members) => sum + members, 0),
  channels: () => Object.entries(channels),
});

export interface Sent {
  method?: string;
  headers?: Record<string, string>;
  query?: string;
}

export function rig(
  http: Partial<HttpApiConfig> = { insecure: true },
  workers: SurveySources[] = [worker(['u1', 'u2'], { news: 2 }), worker(['u1', ''], { news: 1, 'chat:1': 1 })],
) {
  const config = defaultConfig();
  const options = config.channel.without_namespace;
  const namespace = (name: string, some: Partial<typeof options>) => ({ ...options, ...some, name });
  config.channel.namespaces = [
    namespace('stream', {
      history_size: 10,
      history_ttl: 60_000,
      presence: true,
      join_leave: true,
      delta_publish: true,
    }),
    namespace('map', { subscription_type: 'map' }),
    namespace('json', { publication_data_format: 'json' }),
    namespace('object', { publication_data_format: 'json_object' }),
    namespace('binary', { publication_data_format: 'binary' }),
  ];
  const channels = new FakeChannels();
  const clock = new ManualClock(1_000_000);
  const ops: [string, unknown][] = [];
  const failing: { error?: ClientError } = {};
  const logged: string[] = [];
  const note = (kind: string) => async (op: unknown) => {
    ops.push([kind, op]);
    if (failing.error !== undefined) throw failing.error;
  };
  const control = {
    subscribe: note('subscribe'),
    unsubscribe: note('unsubscribe'),
    disconnect: note('disconnect'),
    refresh: note('refresh'),
  };
  const threads = new FakeThreads(workers.length);
  workers.forEach((sources, slot) => {
    answerSurveys(threads.asks[slot]!, sources);
  });
  const node = { uid: 'uid-1', name: 'host_8000', version: '0.1.0', startedAtMs: 1_000_000 };
  const log = { error: (_fields: object, message: string) => void logged.push(message) };
  void Cluster.join({ asks: threads.main, node, clock, log: { ...log, info() {}, warn() {} } });
  const cluster = clusterView(threads.asks[0]!);
  const deps = { access: { rules: new ChannelRules(config.channel) }, channels, control, cluster, settle() {}, log };
  const routes = apiRoutes({ ...config.http_api, ...http }, deps);

  const serve = (path: string, body: string | Buffer, sent: Sent, end: (answer: HttpResponse) => void): void => {
    const route = routes.find((candidate) => candidate.path === path);
    if (route === undefined) throw new Error(`no route ${path}`);
    const headers = sent.headers ?? {};
    const request = {
      method: sent.method ?? 'post',
      path,
      query: sent.query ?? '',
      body: Buffer.from(body),
      header: (name: string) => {
        if (!route.headers.includes(name)) throw new Error(`header ${name} is not registered`);
        return headers[name] ?? '';
      },
    };
    // What is answered is sent at once, and its memory used again.
    const sendOff = (answer: HttpResponse) =>
      end(answer.body === undefined ? answer : { ...answer, body: Buffer.from(answer.body) });
    const answer =
      route.guard?.({ ...request, header: (name) => headers[name] ?? '' }) ?? route.handle(request, sendOff);
    // None of these answers with a promise.
    if (answer !== undefined) sendOff(answer as HttpResponse);
  };
  const start = (path: string, body: string | Buffer, sent: Sent = {}) =>
    new Promise<HttpResponse>((resolve) => serve(path, body, sent, resolve));
  const send = async (path: string, body: string | Buffer, sent: Sent = {}) => read(await start(path, body, sent));
  const post = (method: string, body: unknown, sent: Sent = {}) =>
    send(`/api/${method}`, typeof body === 'string' ? body : JSON.stringify(body), sent);
  return { channels, clock, ops, failing, logged, threads, deps, routes, serve, start, send, post };
}

export const read = ({ status, headers, body }: HttpResponse) => ({
  status,
  type: headers?.['Content-Type'],
  body: body === undefined ? '' : Buffer.from(body).toString(),
});
