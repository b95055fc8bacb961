/**
 * What every engine must do, whatever it is made of. Nothing here assumes that a call completes before it returns, nor
 * that a delivery precedes the publisher's answer.
 */
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import type {
  Awaitable,
  Broker,
  BrokerSink,
  HistoryFilter,
  PresenceManager,
  PublishOptions,
  PublishResult,
} from '../../src/engine/engine.js';
import { decodeClientInfo, encodeClientInfo } from '../../src/protocol/client-info.js';
import type { Bytes } from '../../src/protocol/messages.js';
import { entry, offsets, texts } from './entries.js';
import { StreamModel } from './model.js';

const DAY_MS = 86_400_000;

export const publishOptions = (some: Partial<PublishOptions> = {}): PublishOptions => ({
  historySize: 0,
  historyTtlMs: 0,
  historyMetaTtlMs: DAY_MS,
  idempotencyKey: '',
  idempotencyTtlMs: 300_000,
  version: 0,
  versionEpoch: '',
  delta: false,
  ...some,
});

export const stored = (some: Partial<PublishOptions> = {}): PublishOptions =>
  publishOptions({ historySize: 10, historyTtlMs: 60_000, ...some });

export const ALL: HistoryFilter = { limit: -1, reverse: false };
export const POSITION: HistoryFilter = { limit: 0, reverse: false };
const since = (offset: number, limit = -1, reverse = false): HistoryFilter => ({
  limit,
  reverse,
  since: { offset, epoch: '' },
});

/** {@link Broker.publish} as a promise. */
export function publish(
  broker: Broker,
  channel: string,
  bytes: Bytes,
  options: PublishOptions,
): Promise<PublishResult> {
  return new Promise((resolve, reject) =>
    broker.publish(channel, bytes, options, {
      succeed: (offset, epoch, suppressed) => resolve(suppressed ? { offset, epoch, suppressed } : { offset, epoch }),
      fail: reject,
    }),
  );
}

/** Remembers deliveries and lets a test wait for a number of them. */
export class RecordingSink implements BrokerSink {
  readonly events: string[] = [];
  #waiting: { events: number; resolve: () => void }[] = [];

  /** Of the publications, in their order. */
  readonly epochs: string[] = [];

  publication(channel: string, bytes: Bytes, epoch: string): void {
    this.epochs.push(epoch);
    this.#add(`pub ${channel} ${offsets(bytes)[0]} ${texts(bytes)[0]}`);
  }

  join(channel: string, info: Bytes): void {
    this.#add(`join ${channel} ${decodeClientInfo(info).user}`);
  }

  leave(channel: string, info: Bytes): void {
    this.#add(`leave ${channel} ${decodeClientInfo(info).user}`);
  }

  interrupted(channel: string): void {
    this.#add(`interrupted ${channel}`);
  }

  async atLeast(events: number): Promise<string[]> {
    if (this.events.length < events) await new Promise<void>((resolve) => this.#waiting.push({ events, resolve }));
    return this.events;
  }

  #add(event: string): void {
    this.events.push(event);
    for (const waiting of this.#waiting) if (this.events.length >= waiting.events) waiting.resolve();
  }
}

export interface OpenBroker {
  broker: Broker;
  /** Let time pass, where the engine's clock can be moved; without it expiry is not part of the suite. */
  advance?: ((ms: number) => void) | undefined;
  /** Closes what the broker runs on. */
  close?: () => void;
}

export interface BrokerCapabilities {
  history: boolean;
  idempotency: boolean;
  version: boolean;
  expiry: boolean;
}

export function describeBroker(
  name: string,
  open: (sink: BrokerSink) => Awaitable<OpenBroker>,
  can: BrokerCapabilities = { history: true, idempotency: true, version: true, expiry: true },
): void {
  let opened: OpenBroker | undefined;
  let sink = new RecordingSink();
  let numbered = 0;
  // Other runs may have left something under a fixed name in a shared engine.
  const run = `${Date.now().toString(36)}${Math.random().toString(36).slice(2)}`;
  const newChannel = () => `contract:${run}:${++numbered}`;

  const start = async (): Promise<{ broker: Broker; channel: string; advance: (ms: number) => void }> => {
    sink = new RecordingSink();
    opened = await open(sink);
    const channel = newChannel();
    await opened.broker.subscribe(channel);
    return { broker: opened.broker, channel, advance: opened.advance ?? (() => expect.unreachable('time is fixed')) };
  };
  const fill = async (broker: Broker, channel: string, count: number, options = stored()): Promise<void> => {
    for (let i = 1; i <= count; i++) await publish(broker, channel, entry(`"${i}"`), options);
  };
  const read = async (broker: Broker, channel: string, filter: HistoryFilter): Promise<string[]> => {
    const history = await broker.history(channel, filter, DAY_MS);
    const found = texts(history.entries);
    expect(history.count).toBe(found.length);
    return found.map((text) => JSON.parse(text));
  };

  afterEach(async () => {
    await opened?.broker.close();
    opened?.close?.();
    opened = undefined;
  });

  describe(`${name}: publish`, () => {
    it('delivers without offset and epoch where nothing is stored', async () => {
      const { broker, channel } = await start();
      expect(await publish(broker, channel, entry('{"a":1}'), publishOptions())).toEqual({ offset: 0, epoch: '' });
      expect(await sink.atLeast(1)).toEqual([`pub ${channel} 0 {"a":1}`]);
    });

    it('delivers the publications of a channel in call order', async () => {
      const { broker, channel } = await start();
      await Promise.all([1, 2, 3, 4, 5].map((i) => publish(broker, channel, entry(`${i}`), publishOptions())));
      expect(await sink.atLeast(5)).toEqual([1, 2, 3, 4, 5].map((i) => `pub ${channel} 0 ${i}`));
    });

    it('delivers joins and leaves', async () => {
      const { broker, channel } = await start();
      const info = (user: string) => encodeClientInfo({ user, client: 'c', connInfo: undefined, chanInfo: undefined });
      await broker.publishJoin(channel, info('in'));
      await broker.publishLeave(channel, info('out'));
      expect(await sink.atLeast(2)).toEqual([`join ${channel} in`, `leave ${channel} out`]);
    });

    it('does not read the entry after the call', async () => {
      const { broker, channel } = await start();
      const borrowed = entry('"mine"');
      const published = publish(broker, channel, borrowed, can.history ? stored() : publishOptions());
      borrowed.fill(0);
      await published;
      expect((await sink.atLeast(1))[0]).toMatch(/"mine"$/);
    });
  });

  describe.runIf(can.history)(`${name}: history`, () => {
    it('numbers publications from 1 within an epoch and delivers them with their offsets', async () => {
      const { broker, channel } = await start();
      const first = await publish(broker, channel, entry('1'), stored());
      const second = await publish(broker, channel, entry('2'), stored());
      expect(first).toEqual({ offset: 1, epoch: expect.stringMatching(/^\w{4,}$/) });
      expect(second).toEqual({ offset: 2, epoch: first.epoch });
      expect(await sink.atLeast(2)).toEqual([`pub ${channel} 1 1`, `pub ${channel} 2 2`]);
      expect(sink.epochs).toEqual([first.epoch, first.epoch]);
    });

    it('starts at offset 0 on first access, in the epoch that the first publication then has', async () => {
      const { broker, channel } = await start();
      const position = await broker.history(channel, POSITION, DAY_MS);
      expect(position.offset).toBe(0);
      expect(position.count).toBe(0);
      expect((await publish(broker, channel, entry('1'), stored())).epoch).toBe(position.epoch);
    });

    it('keeps the newest up to the size, and no more after the size went down', async () => {
      const { broker, channel } = await start();
      await fill(broker, channel, 5, stored({ historySize: 3 }));
      expect(await read(broker, channel, ALL)).toEqual(['3', '4', '5']);
      await publish(broker, channel, entry('"6"'), stored({ historySize: 1 }));
      expect(await read(broker, channel, ALL)).toEqual(['6']);
    });

    it('does not number or keep a publication that skips history', async () => {
      const { broker, channel } = await start();
      await fill(broker, channel, 1);
      expect(await publish(broker, channel, entry('"x"'), publishOptions())).toEqual({ offset: 0, epoch: '' });
      expect(await read(broker, channel, ALL)).toEqual(['1']);
      expect((await broker.history(channel, POSITION, DAY_MS)).offset).toBe(1);
    });

    const cases: [string, HistoryFilter, string[]][] = [
      ['all', ALL, ['3', '4', '5']],
      ['position only', POSITION, []],
      ['the oldest two', { limit: 2, reverse: false }, ['3', '4']],
      ['more than there are', { limit: 9, reverse: false }, ['3', '4', '5']],
      ['the newest', { limit: 1, reverse: true }, ['5']],
      ['the newest two, newest first', { limit: 2, reverse: true }, ['5', '4']],
      ['all, newest first', { limit: -1, reverse: true }, ['5', '4', '3']],
      ['after an offset', since(3), ['4', '5']],
      ['after an offset, one', since(3, 1), ['4']],
      ['after an offset, none', since(3, 0), []],
      ['after one that is gone', since(1), ['3', '4', '5']],
      ['after the top', since(5), []],
      ['after what is not there yet', since(9), []],
      ['before an offset', since(5, -1, true), ['4', '3']],
      ['before an offset, one', since(5, 1, true), ['4']],
      ['before the oldest', since(3, -1, true), []],
      ['before one that is gone', since(2, -1, true), []],
      ['before the next', since(6, -1, true), ['5', '4', '3']],
      ['before what is not there yet', since(9, -1, true), []],
    ];
    it.each(cases)('reads %s', async (_, filter, expected) => {
      const { broker, channel } = await start();
      await fill(broker, channel, 5, stored({ historySize: 3 }));
      expect(await read(broker, channel, filter)).toEqual(expected);
      expect((await broker.history(channel, filter, DAY_MS)).offset).toBe(5);
    });

    it('removes publications and keeps the position', async () => {
      const { broker, channel } = await start();
      await fill(broker, channel, 3);
      const before = await broker.history(channel, POSITION, DAY_MS);
      await broker.removeHistory(channel);
      const after = await broker.history(channel, ALL, DAY_MS);
      expect([after.offset, after.epoch, after.count]).toEqual([3, before.epoch, 0]);
      await publish(broker, channel, entry('"4"'), stored());
      expect(await read(broker, channel, ALL)).toEqual(['4']);
      expect((await broker.history(channel, POSITION, DAY_MS)).offset).toBe(4);
    });

    it('gives a stream that lost its end a new epoch, once', async () => {
      const { broker, channel } = await start();
      await fill(broker, channel, 3);
      const { epoch } = await broker.history(channel, POSITION, DAY_MS);
      await broker.resetEpoch(channel, 'another');
      expect((await broker.history(channel, POSITION, DAY_MS)).epoch).toBe(epoch);
      await broker.resetEpoch(channel, epoch);
      const fresh = await broker.history(channel, ALL, DAY_MS);
      expect([fresh.offset, fresh.count]).toEqual([0, 0]);
      expect(fresh.epoch).not.toBe(epoch);
      expect(await publish(broker, channel, entry('1'), stored())).toEqual({ offset: 1, epoch: fresh.epoch });
    });

    it('removes nothing from a channel that has none', async () => {
      const { broker } = await start();
      await broker.removeHistory(newChannel());
    });

    it('keeps channels apart', async () => {
      const { broker, channel } = await start();
      const other = newChannel();
      await fill(broker, channel, 2);
      await fill(broker, other, 1);
      expect(await read(broker, channel, ALL)).toEqual(['1', '2']);
      expect(await read(broker, other, ALL)).toEqual(['1']);
    });
  });

  describe.runIf(can.idempotency)(`${name}: idempotency`, () => {
    it('publishes a key once and answers with the first position', async () => {
      const { broker, channel } = await start();
      const options = stored({ idempotencyKey: 'k' });
      const first = await publish(broker, channel, entry('1'), options);
      await publish(broker, channel, entry('2'), stored());
      expect(await publish(broker, channel, entry('3'), options)).toEqual({ ...first, suppressed: 'idempotency' });
      expect(await read(broker, channel, ALL)).toEqual([1, 2]);
      await publish(broker, channel, entry('4'), stored());
      expect(await sink.atLeast(3)).toHaveLength(3);
    });

    it('holds per channel', async () => {
      const { broker, channel } = await start();
      const options = stored({ idempotencyKey: 'k' });
      await publish(broker, channel, entry('1'), options);
      const other = await publish(broker, newChannel(), entry('1'), options);
      expect(other.suppressed).toBeUndefined();
    });

    it('holds without history', async () => {
      const { broker, channel } = await start();
      const options = publishOptions({ idempotencyKey: 'k' });
      await publish(broker, channel, entry('1'), options);
      const again = await publish(broker, channel, entry('2'), options);
      expect(again).toEqual({ offset: 0, epoch: '', suppressed: 'idempotency' });
    });
  });

  describe.runIf(can.version)(`${name}: versions`, () => {
    it('suppresses what is not newer and answers with the top', async () => {
      const { broker, channel } = await start();
      const first = await publish(broker, channel, entry('1'), stored({ version: 2 }));
      for (const version of [1, 2]) {
        const again = await publish(broker, channel, entry('2'), stored({ version }));
        expect(again).toEqual({ ...first, suppressed: 'version' });
      }
      expect((await publish(broker, channel, entry('3'), stored({ version: 3 }))).offset).toBe(2);
      expect(await read(broker, channel, ALL)).toEqual([1, 3]);
    });

    it('starts over in another version epoch, and an empty one matches any', async () => {
      const { broker, channel } = await start();
      const suppressed = async (version: number, versionEpoch: string) =>
        (await publish(broker, channel, entry('1'), stored({ version, versionEpoch }))).suppressed;
      expect(await suppressed(5, 'a')).toBeUndefined();
      expect(await suppressed(1, 'b')).toBeUndefined();
      expect(await suppressed(1, 'b')).toBe('version');
      expect(await suppressed(1, '')).toBe('version');
      expect(await suppressed(2, '')).toBeUndefined();
    });

    it('does not remember a suppressed publication under its idempotency key', async () => {
      const { broker, channel } = await start();
      await publish(broker, channel, entry('1'), stored({ version: 2 }));
      await publish(broker, channel, entry('2'), stored({ version: 1, idempotencyKey: 'k' }));
      expect((await publish(broker, channel, entry('3'), stored({ idempotencyKey: 'k' }))).offset).toBe(2);
    });
  });

  describe.runIf(can.expiry && can.history)(`${name}: expiry`, () => {
    it('forgets publications history_ttl after the last one, and keeps the position', async () => {
      const { broker, channel, advance } = await start();
      await fill(broker, channel, 1);
      advance(59_000);
      await publish(broker, channel, entry('"2"'), stored());
      advance(59_000);
      expect(await read(broker, channel, ALL)).toEqual(['1', '2']);
      const before = await broker.history(channel, POSITION, DAY_MS);
      advance(2_000);
      expect(await read(broker, channel, ALL)).toEqual([]);
      const after = await broker.history(channel, POSITION, DAY_MS);
      expect([after.offset, after.epoch]).toEqual([2, before.epoch]);
    });

    it('forgets the position history_meta_ttl after the last access', async () => {
      const { broker, channel, advance } = await start();
      const options = stored({ historyTtlMs: 5_000, historyMetaTtlMs: 10_000 });
      const { epoch } = await publish(broker, channel, entry('1'), options);
      advance(9_000);
      expect((await broker.history(channel, POSITION, 10_000)).epoch).toBe(epoch);
      advance(9_000);
      expect((await broker.history(channel, POSITION, 10_000)).epoch).toBe(epoch);
      advance(11_000);
      const renewed = await publish(broker, channel, entry('2'), options);
      expect(renewed.offset).toBe(1);
      expect(renewed.epoch).not.toBe(epoch);
    });

    it.runIf(can.idempotency)('forgets a key after its time', async () => {
      const { broker, channel, advance } = await start();
      const options = stored({ idempotencyKey: 'k', idempotencyTtlMs: 10_000 });
      await publish(broker, channel, entry('1'), options);
      advance(9_000);
      expect((await publish(broker, channel, entry('2'), options)).suppressed).toBe('idempotency');
      advance(2_000);
      expect((await publish(broker, channel, entry('3'), options)).suppressed).toBeUndefined();
    });
  });

  describe.runIf(can.history && can.idempotency && can.version)(`${name}: any sequence`, () => {
    const publication = fc.record({
      do: fc.constant('publish' as const),
      text: fc.string({ maxLength: 200, unit: 'grapheme' }).map((text) => JSON.stringify(text)),
      size: fc.constantFrom(1, 2, 3, 7),
      key: fc.constantFrom('', '', '', 'a', 'b'),
      version: fc.constantFrom(0, 0, 0, 1, 2, 3),
      versionEpoch: fc.constantFrom('', 'x'),
    });
    const history = fc.record({
      do: fc.constant('history' as const),
      limit: fc.integer({ min: -1, max: 8 }),
      reverse: fc.boolean(),
      sinceOffset: fc.option(fc.integer({ min: 1, max: 30 }), { nil: undefined }),
    });
    const remove = fc.record({ do: fc.constant('remove' as const) });
    const ops = fc.array(
      fc.oneof(
        { weight: 6, arbitrary: publication },
        { weight: 5, arbitrary: history },
        { weight: 1, arbitrary: remove },
      ),
      { maxLength: 60 },
    );

    it('does what a plain list does', async () => {
      const { broker } = await start();
      await fc.assert(
        fc.asyncProperty(ops, async (sequence) => {
          const channel = newChannel();
          const model = new StreamModel();
          for (const op of sequence) {
            if (op.do === 'remove') {
              await broker.removeHistory(channel);
              model.kept = [];
            } else if (op.do === 'publish') {
              const { size: historySize, key: idempotencyKey, version, versionEpoch } = op;
              const options = stored({ historySize, idempotencyKey, version, versionEpoch });
              const result = await publish(broker, channel, entry(op.text), options);
              expect(result.offset).toBe(model.publish(op.text, historySize, idempotencyKey, version, versionEpoch));
            } else {
              const { sinceOffset, limit, reverse } = op;
              const filter = { limit, reverse, since: sinceOffset ? { offset: sinceOffset, epoch: '' } : undefined };
              const found = await broker.history(channel, filter, DAY_MS);
              const expected = model.history(filter);
              expect(texts(found.entries)).toEqual(expected.map((kept) => kept.text));
              expect(offsets(found.entries)).toEqual(expected.map((kept) => kept.offset));
              expect([found.offset, found.count]).toEqual([model.top, expected.length]);
            }
          }
        }),
        { seed: 20, numRuns: 150 },
      );
    });
  });
}

export interface OpenPresence {
  presence: PresenceManager;
  advance?: ((ms: number) => void) | undefined;
  /** Closes what the presence manager runs on. */
  close?: () => void;
}

export function describePresence(name: string, open: () => Awaitable<OpenPresence>, can = { expiry: true }): void {
  const TTL_MS = 60_000;
  let opened: OpenPresence | undefined;
  const run = `${Date.now().toString(36)}${Math.random().toString(36).slice(2)}`;
  let numbered = 0;
  let channel = '';
  const start = async (): Promise<{ presence: PresenceManager; advance: (ms: number) => void }> => {
    opened = await open();
    channel = `presence:${run}:${++numbered}`;
    return { presence: opened.presence, advance: opened.advance ?? (() => expect.unreachable('time is fixed')) };
  };
  const shown = async (presence: PresenceManager, of = channel): Promise<Record<string, string>> => {
    const found = await presence.presence(of);
    const text = (info: Bytes) => Buffer.from(decodeClientInfo(info).connInfo!).toString();
    return Object.fromEntries([...found].map(([client, info]) => [client, text(info)]));
  };
  const info = (client: string, user: string, text: string) =>
    encodeClientInfo({ user, client, connInfo: Buffer.from(text), chanInfo: undefined });
  const add = async (presence: PresenceManager, client: string, user: string, text: string) =>
    presence.add(channel, client, user, info(client, user, text), TTL_MS);

  afterEach(async () => {
    await opened?.presence.close();
    opened?.close?.();
    opened = undefined;
  });

  describe(`${name}: presence`, () => {
    it('is empty for a channel without clients', async () => {
      const { presence } = await start();
      expect(await shown(presence, `${channel}:none`)).toEqual({});
      expect(await presence.stats(`${channel}:none`)).toEqual({ numClients: 0, numUsers: 0 });
    });

    it('shows clients with their newest info and counts users once', async () => {
      const { presence } = await start();
      await add(presence, 'c1', 'u', '1');
      await add(presence, 'c2', 'u', '2');
      await add(presence, 'c3', '', '3');
      await add(presence, 'c1', 'u', '1b');
      expect(await shown(presence)).toEqual({ c1: '1b', c2: '2', c3: '3' });
      expect(await presence.stats(channel)).toEqual({ numClients: 3, numUsers: 2 });
    });

    it('keeps its own copy of the info', async () => {
      const { presence } = await start();
      const mine = info('c1', 'u', 'mine');
      await presence.add(channel, 'c1', 'u', mine, TTL_MS);
      mine.fill(0);
      expect(await shown(presence)).toEqual({ c1: 'mine' });
    });

    it('removes a client, known or not', async () => {
      const { presence } = await start();
      await add(presence, 'c1', 'u', '1');
      await presence.remove(channel, 'c2', 'u');
      await presence.remove(channel, 'c1', 'u');
      await presence.remove(channel, 'c1', 'u');
      expect(await shown(presence)).toEqual({});
      expect(await presence.stats(channel)).toEqual({ numClients: 0, numUsers: 0 });
    });

    it.runIf(can.expiry)('forgets a client that is not renewed in time', async () => {
      const { presence, advance } = await start();
      await add(presence, 'c1', 'u1', '1');
      await add(presence, 'c2', 'u2', '2');
      advance(40_000);
      await add(presence, 'c1', 'u1', '1');
      advance(30_000);
      expect(await shown(presence)).toEqual({ c1: '1' });
      expect(await presence.stats(channel)).toEqual({ numClients: 1, numUsers: 1 });
    });
  });
}
