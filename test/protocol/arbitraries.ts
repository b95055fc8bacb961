/** Random protocol messages, and what a wire carries of them. */
import fc from 'fast-check';
import type {
  ClientInfo,
  Command,
  ConnectResult,
  FilterNode,
  Publication,
  Push,
  Reply,
  SubscribeRequest,
  SubscribeResult,
} from '../../src/protocol/messages.js';
import { emptyCommand, emptyFilter } from '../../src/protocol/requests.js';

export const text = fc.string({ unit: 'grapheme', maxLength: 30 });
const u32 = fc.oneof(fc.nat(300), fc.nat({ max: 0x7fffffff }), fc.constant(0xffffffff));
const int32 = fc.oneof(fc.integer({ min: -5, max: 5 }), fc.integer());
const offset = fc.oneof(fc.nat(300), fc.maxSafeNat());
const flag = fc.boolean();
const opt = <T>(arb: fc.Arbitrary<T>) => fc.option(arb, { nil: undefined });

/** JSON text in bytes, on one line, whitespace included. */
export const json = fc
  .tuple(fc.jsonValue({ maxDepth: 3 }), fc.constantFrom(undefined, ' '))
  .map(([value, space]) => Buffer.from(JSON.stringify(value, null, space).replaceAll('\n', ' ')));

/** Keys that objects of every kind carry. */
export const key = text.filter((name) => name !== '__proto__');
const map = <T>(value: fc.Arbitrary<T>) => opt(fc.dictionary(key, value, { minKeys: 1, maxKeys: 3 }));

const { filter } = fc.letrec<{ filter: FilterNode }>((tie) => ({
  filter: fc.record<FilterNode>({
    op: fc.constantFrom('', 'and', 'or', 'not'),
    key: text,
    cmp: fc.constantFrom('', 'eq', 'in'),
    val: text,
    vals: fc.array(text, { maxLength: 3 }),
    nodes: fc.array(fc.oneof({ maxDepth: 3 }, fc.constant(emptyFilter()), tie('filter')), { maxLength: 2 }),
  }),
}));

const subscribe = fc.record<SubscribeRequest>({
  channel: text,
  token: text,
  recover: flag,
  epoch: text,
  offset,
  data: opt(json),
  positioned: flag,
  recoverable: flag,
  joinLeave: flag,
  delta: fc.constantFrom('', 'fossil'),
  tf: opt(filter),
  flag: fc.integer(),
  type: int32,
});

const channel = fc.record({ channel: text });

/** Commands with one request each, plus the pong. */
export const command: fc.Arbitrary<Command> = fc
  .tuple(
    u32,
    fc.oneof(
      fc.record({
        connect: fc.record({
          token: text,
          data: opt(json),
          subs: map(subscribe),
          name: text,
          version: text,
          headers: map(text),
          flag: fc.integer(),
        }),
      }),
      fc.record({ subscribe }),
      fc.record({ unsubscribe: channel }),
      fc.record({ publish: fc.record({ channel: text, data: opt(json), type: int32, key: text, removed: flag }) }),
      fc.record({ presence: channel }),
      fc.record({ presenceStats: channel }),
      fc.record({
        history: fc.record({
          channel: text,
          limit: int32,
          since: opt(fc.record({ offset, epoch: text })),
          reverse: flag,
        }),
      }),
      fc.record({ rpc: fc.record({ method: text, data: opt(json) }) }),
      fc.record({ send: fc.record({ data: opt(json) }) }),
      fc.record({ refresh: fc.record({ token: text }) }),
      fc.record({ subRefresh: fc.record({ channel: text, token: text, type: int32 }) }),
      fc.constant({ ping: {} }),
      fc.constant({}),
    ),
  )
  .map(([id, request]) => ({ ...emptyCommand(), id, ...request }));

export const info = fc.record<ClientInfo>({ user: text, client: text, connInfo: opt(json), chanInfo: opt(json) });

export const publication = fc.record<Publication>({
  offset,
  data: json,
  info: opt(info),
  tags: map(text),
  delta: opt(flag),
  channel: opt(text),
  epoch: opt(text),
  version: opt(offset),
  json: opt(flag),
});

const subscribeResult: fc.Arbitrary<SubscribeResult> = fc.record(
  {
    expires: flag,
    ttl: u32,
    recoverable: flag,
    epoch: text,
    publications: fc.array(publication, { maxLength: 3 }),
    recovered: flag,
    offset,
    positioned: flag,
    data: json,
    wasRecovering: flag,
    delta: flag,
  },
  { requiredKeys: [] },
);

const connectResult: fc.Arbitrary<ConnectResult> = fc.record(
  {
    client: text,
    version: text,
    expires: flag,
    ttl: u32,
    data: json,
    subs: fc.dictionary(key, subscribeResult, { minKeys: 1, maxKeys: 3 }),
    ping: u32,
    pong: flag,
    session: text,
    node: text,
    time: fc.maxSafeNat(),
  },
  { requiredKeys: ['client', 'version'] },
);

const expiration = fc.record({ expires: flag, ttl: u32 }, { requiredKeys: [] });

export const reply: fc.Arbitrary<Reply> = fc
  .tuple(
    u32,
    fc.oneof(
      fc.record({ error: fc.record({ code: u32, message: text, temporary: flag }) }),
      fc.record({ connect: connectResult }),
      fc.record({ subscribe: subscribeResult }),
      fc.constant({ unsubscribe: {} }),
      fc.constant({ publish: {} }),
      fc.record({ presence: fc.record({ presence: fc.dictionary(key, info, { minKeys: 1, maxKeys: 3 }) }) }),
      fc.record({ presenceStats: fc.record({ numClients: u32, numUsers: u32 }) }),
      fc.record({
        history: fc.record({ publications: fc.array(publication, { maxLength: 3 }), offset, epoch: text }),
      }),
      fc.record({ rpc: fc.record({ data: opt(json) }) }),
      fc.record({
        refresh: fc.record(
          { client: text, version: text, expires: flag, ttl: u32 },
          { requiredKeys: ['client', 'version'] },
        ),
      }),
      fc.record({ subRefresh: expiration }),
    ),
  )
  .map(([id, result]) => ({ id, ...result }));

export const push: fc.Arbitrary<Push> = fc
  .tuple(
    text,
    fc.oneof(
      fc.record({ pub: publication }),
      fc.record({ join: fc.record({ info }) }),
      fc.record({ leave: fc.record({ info }) }),
      fc.record({ unsubscribe: fc.record({ code: u32, reason: text }) }),
      fc.record({ message: fc.record({ data: json }) }),
      fc.record({
        subscribe: fc.record(
          { recoverable: flag, epoch: text, offset, positioned: flag, data: json },
          { requiredKeys: [] },
        ),
      }),
      fc.record({ connect: connectResult }),
      fc.record({
        disconnect: fc.record({ code: u32, reason: text, reconnect: flag }, { requiredKeys: ['code', 'reason'] }),
      }),
      fc.record({ refresh: expiration }),
    ),
  )
  .map(([channel, event]) => ({ channel, ...event }));

/**
 * What is left of a message on the wire: zero and empty values are gone, and so are the notes that encoders keep to
 * themselves. Messages stay, also empty ones, and so do the values of maps and lists.
 */
export function wire(value: unknown): unknown {
  if (value instanceof Uint8Array) return value.length === 0 ? undefined : Buffer.from(value);
  if (Array.isArray(value)) return value.length === 0 ? undefined : value.map((item) => wire(item) ?? item);
  if (value === null || typeof value !== 'object') return value || undefined;
  const isMap = (name: string) => name === 'tags' || name === 'headers';
  return Object.fromEntries(
    Object.entries(value)
      .filter(([name]) => name !== 'json' && name !== 'dataAsString')
      .map(([name, field]) => [name, isMap(name) && field ? { ...field } : wire(field)])
      .filter(([, field]) => field !== undefined),
  );
}
