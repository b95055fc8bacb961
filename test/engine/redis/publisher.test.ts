/** Which commands publications become, with a shard that only writes down what it is asked for. */
import { describe, expect, it } from 'vitest';
import type { FeedState, PublishOptions, PublishResult } from '../../../src/engine/engine.js';
import { channelMoved } from '../../../src/engine/redis/carry-over.js';
import { Keys } from '../../../src/engine/redis/keys.js';
import { Publisher } from '../../../src/engine/redis/publisher.js';
import type {
  DirectServer,
  EncodedCommand,
  Reply,
  ReplyHandler,
  Script,
  Shard,
} from '../../../src/engine/redis/shard.js';
import { ByteWriter } from '../../../src/lib/bytes.js';
import { RespReader, type RespValue } from '../../../src/lib/resp.js';
import type { Flushable } from '../../../src/lib/turn.js';
import { type ClientError, errors } from '../../../src/protocol/codes.js';
import { decodeEntry } from '../../../src/protocol/entry.js';
import { publishOptions, stored } from '../contract.js';
import { entry } from '../entries.js';

interface Asked {
  name: string;
  keys: readonly string[];
  /** As {@link shown}. */
  args: string[];
  handler: ReplyHandler;
}

const before = Buffer.alloc(1000, 'before');

class FakeShard implements Pick<Shard, 'command' | 'script' | 'feed' | 'isCluster' | 'server'>, DirectServer {
  readonly asked: Asked[] = [];
  state: FeedState = 'up';

  /** What is encoded is not taken. */
  isFull = false;

  constructor(readonly isCluster = false) {}

  get server(): DirectServer | undefined {
    return this.isCluster ? undefined : this;
  }

  encoded(command: EncodedCommand, handler: ReplyHandler): ClientError | undefined {
    if (this.isFull) return errors.tooManyRequests;
    const out = new ByteWriter(16);
    out.raw(before);
    const start = out.length;
    command.writeTo(out);
    expect(before.equals(out.view().subarray(0, start))).toBe(true);
    const [name, ...args] = readCommand(out.view().subarray(start));
    if (command.script === undefined) {
      this.command(String(args[0]), [String(name), String(args[0]), ...args.slice(1)], handler);
      return undefined;
    }
    expect([String(name), String(args[0])]).toEqual(['EVALSHA', command.script.sha]);
    const keys = Number(args[1]) + 2;
    this.script(command.script, args.slice(2, keys).map(String), args.slice(keys).map(textOrPublication), handler);
    return undefined;
  }

  command(key: string, args: readonly (string | Uint8Array)[], handler: ReplyHandler): void {
    this.asked.push({ name: String(args[0]), keys: [key], args: args.slice(1).map(shown), handler });
  }

  script({ name }: Script, keys: readonly string[], args: readonly (string | Uint8Array)[], handler: ReplyHandler) {
    this.asked.push({ name, keys, args: args.map(shown), handler });
  }

  feed(): FeedState {
    return this.state;
  }
}

function readCommand(bytes: Buffer): Buffer[] {
  const commands: RespValue[] = [];
  new RespReader({ reply: (command) => void commands.push(command as RespValue) }).feed(bytes);
  expect(commands).toHaveLength(1);
  return commands[0] as Buffer[];
}

/** Publications begin with the tag of their data, and nothing else does. */
const textOrPublication = (argument: Buffer): string | Buffer => (argument[0] === 0x22 ? argument : String(argument));

/** A publication as its data. */
const shown = (argument: string | Uint8Array): string =>
  typeof argument === 'string'
    ? argument
    : `<${Buffer.from(decodeEntry(Buffer.concat([Buffer.alloc(21), argument])).data)}>`;

function start(given: { isCluster?: boolean; useLists?: boolean } = {}) {
  const shard = new FakeShard(given.isCluster);
  const touched: Flushable[] = [];
  const refusals: string[] = [];
  const keys = new Keys('p', shard.isCluster, given.useLists ?? false);
  const publisher = new Publisher(shard as FakeShard & Shard, keys, {
    turn: { touch: (item) => void touched.push(item) },
    useLists: given.useLists ?? false,
    refused: (text) => void refusals.push(text),
  });
  const answers: Record<string, PublishResult | ClientError> = {};
  return {
    ...{ shard, touched, refusals, answers },
    publish(channel: string, text: string, options: PublishOptions) {
      publisher.publish(channel, entry(text), options, {
        succeed: (offset, epoch, suppressed) => {
          expect(answers[text]).toBeUndefined();
          answers[text] = suppressed ? { offset, epoch, suppressed } : { offset, epoch };
        },
        fail: (error) => {
          expect(answers[text]).toBeUndefined();
          answers[text] = error;
        },
      });
    },
    endTurn() {
      for (const item of touched.splice(0)) item.flush();
    },
    asked: () => shard.asked.splice(0),
  };
}

/** Publications of each call, in order. */
const sent = (asked: readonly Asked[]) =>
  asked.map(({ name, args }) => `${name} ${args.filter((arg) => arg.startsWith('<')).join(' ')}`);
const reply = (...results: string[]): Reply => results.map((result) => Buffer.from(result));

describe('what only wants a place in its stream', () => {
  it('leaves in one call at the end of the turn, by channel, in order', () => {
    const { publish, endTurn, asked, touched } = start();
    for (const [channel, text] of ['a1', 'b1', 'a2', 'c1', 'b2'].map((it) => [it[0]!, it]))
      publish(channel!, text!, stored());
    expect([asked(), touched.length]).toEqual([[], 1]);
    endTurn();
    const [call, ...more] = asked();
    expect(more).toEqual([]);
    expect(call!.keys).toEqual([
      'p.stream.a',
      'p.stream.meta.a',
      'p.stream.b',
      'p.stream.meta.b',
      'p.stream.c',
      'p.stream.meta.c',
    ]);
    const [epoch, from, ...args] = call!.args;
    expect(epoch).toMatch(/^[a-zA-Z]{8}$/);
    const options = ['', '10', '60', '86400', ''];
    const group = (channel: string, ...texts: string[]) => [
      `p.client.${channel}`,
      '',
      ...texts.map((text) => `<${text}>`),
    ];
    expect(args).toEqual([
      ...[...options, '2', '2', '1'],
      ...[...group('a', 'a1', 'a2'), ...group('b', 'b1', 'b2'), ...group('c', 'c1')],
    ]);
    // Lua counts from 1.
    expect(call!.args[Number(from) - 1]).toBe('p.client.a');
    endTurn();
    expect(asked()).toEqual([]);
  });

  it('is answered one by one', () => {
    const { publish, endTurn, asked, answers, refusals } = start();
    for (const text of ['a1', 'b1', 'a2', 'c1', 'd1']) publish(text[0]!, text, stored());
    endTurn();
    asked()[0]!.handler.reply(reply('2147483650:epochA', '!WRONGTYPE wrong kind of value', 'moved', '1:epochD'));
    expect(answers).toEqual({
      a1: { offset: 2147483649, epoch: 'epochA' },
      a2: { offset: 2147483650, epoch: 'epochA' },
      b1: errors.internal,
      c1: channelMoved,
      d1: { offset: 1, epoch: 'epochD' },
    });
    expect(answers.c1).toBe(channelMoved);
    expect(refusals).toEqual(['WRONGTYPE wrong kind of value']);
  });

  it('fails together when the call does', () => {
    const { publish, endTurn, asked, answers } = start();
    for (const text of ['a1', 'b1']) publish(text[0]!, text, stored());
    endTurn();
    asked()[0]!.handler.fail(errors.tooManyRequests);
    expect(answers).toEqual({ a1: errors.tooManyRequests, b1: errors.tooManyRequests });
  });

  it('says which epoch it expects, and is told of another', () => {
    const { publish, endTurn, asked, answers } = start();
    const round = (text: string, ...results: Reply[]): string => {
      publish('a', text, stored());
      endTurn();
      const [call] = asked();
      call!.handler.reply(results);
      return call!.args[call!.args.indexOf('p.client.a') + 1]!;
    };
    expect(round('1', Buffer.from('7:one'))).toBe('');
    expect(round('2', 8)).toBe('one');
    expect(round('3', Buffer.from('1:two'))).toBe('one');
    expect(round('4', 2)).toBe('two');
    const at = (offset: number, epoch: string) => ({ offset, epoch });
    expect(answers).toEqual({ 1: at(7, 'one'), 2: at(8, 'one'), 3: at(1, 'two'), 4: at(2, 'two') });
  });

  it('has the epoch that it was sent with, whatever was learnt meanwhile', () => {
    const { publish, endTurn, asked, answers } = start();
    publish('a', '1', stored());
    endTurn();
    asked()[0]!.handler.reply(reply('1:one'));
    for (const text of ['2', '3']) {
      publish('a', text, stored());
      endTurn();
    }
    const [two, three] = asked();
    three!.handler.reply(reply('1:two'));
    two!.handler.reply([2]);
    expect(answers).toMatchObject({ 2: { offset: 2, epoch: 'one' }, 3: { offset: 1, epoch: 'two' } });
  });

  it('that was not taken leaves nothing behind', () => {
    const { publish, endTurn, asked, answers, shard } = start();
    shard.isFull = true;
    publish('a', '1', stored());
    endTurn();
    expect(answers).toEqual({ 1: errors.tooManyRequests });
    shard.isFull = false;
    publish('a', '2', stored());
    endTurn();
    const [call] = asked();
    expect(call!.args.filter((arg) => arg.startsWith('<'))).toEqual(['<2>']);
    call!.handler.reply(reply('1:e'));
    expect(answers[2]).toEqual({ offset: 1, epoch: 'e' });
  });

  it('is remembered of no more than 4096 channels, and stays in order when they are forgotten', () => {
    const { publish, asked } = start();
    publish('a', '1', stored());
    for (let i = 0; i < 4096; i++) publish(`other${i}`, '2', publishOptions());
    publish('a', '3', publishOptions());
    const names = sent(asked());
    expect(names.indexOf('publish_many <1>')).toBeGreaterThan(0);
    expect(names.at(-1)).toBe('PUBLISH <3>');
  });

  it('keeps its order also where the options of a channel change', () => {
    const { publish, endTurn, asked, answers } = start();
    publish('a', '1', stored());
    publish('a', '2', stored({ delta: true }));
    publish('a', '3', stored({ delta: true }));
    publish('a', '4', stored({ historySize: 3 }));
    endTurn();
    const [call] = asked();
    expect(call!.keys).toHaveLength(6);
    expect(call!.args.filter((arg) => arg.startsWith('<'))).toEqual(['<1>', '<2>', '<3>', '<4>']);
    call!.handler.reply(reply('1:e', '3:e', '4:e'));
    expect(Object.values(answers).map((answer) => (answer as PublishResult).offset)).toEqual([1, 2, 3, 4]);
  });

  it('is split at 128 publications', () => {
    const { publish, endTurn, asked } = start();
    for (let i = 0; i < 300; i++) publish(`c${i % 7}`, `${i}`, stored());
    endTurn();
    expect(asked().map(({ args }) => args.filter((arg) => arg.startsWith('<')).length)).toEqual([128, 128, 44]);
  });

  it('is split at 256 KiB, of which the last publication may be beyond', () => {
    const { publish, endTurn, asked } = start();
    const large = 'x'.repeat(16_000);
    for (let i = 0; i < 20; i++) publish('c', `${i}${large}`, stored());
    endTurn();
    const bytes = asked().map(({ args }) => args.join('').length);
    expect(bytes).toHaveLength(2);
    expect(bytes[0]).toBeLessThan((256 << 10) + 17_000);
  });
});

describe('everything else leaves at once', () => {
  it('after what its channel has waiting, not after that of others', () => {
    const { publish, endTurn, asked } = start();
    publish('a', '1', stored());
    publish('b', '2', publishOptions());
    expect(sent(asked())).toEqual(['PUBLISH <2>']);
    publish('a', '3', publishOptions());
    expect(sent(asked())).toEqual(['publish_many <1>', 'PUBLISH <3>']);
    publish('a', '4', stored());
    publish('a', '5', stored({ idempotencyKey: 'k' }));
    publish('a', '6', stored({ version: 1 }));
    publish('a', '7', publishOptions({ idempotencyKey: 'k' }));
    publish('a', '8', stored());
    endTurn();
    const names = ['publish_many <4>', 'publish <5>', 'publish <6>', 'publish_once <7>', 'publish_many <8>'];
    expect(sent(asked())).toEqual(names);
  });

  it.each([{ isCluster: true }, { useLists: true }])('all of it: %o', (given) => {
    const { publish, asked } = start(given);
    publish('a', '1', stored());
    publish('a', '2', stored());
    const name = given.useLists ? 'publish_to_list' : 'publish';
    expect(sent(asked())).toEqual([`${name} <1>`, `${name} <2>`]);
  });

  it('a version without history means nothing', () => {
    const { publish, asked } = start();
    publish('a', '1', publishOptions({ version: 1 }));
    publish('a', '2', publishOptions({ version: 1 }));
    expect(sent(asked())).toEqual(['PUBLISH <1>', 'PUBLISH <2>']);
  });

  it('with history that lasts no time nothing is stored', () => {
    const { publish, asked } = start();
    publish('a', '1', stored({ historyTtlMs: 0 }));
    expect(sent(asked())).toEqual(['PUBLISH <1>']);
  });

  it('with what is asked of it', () => {
    const { publish, asked } = start({ isCluster: true });
    publish(
      'a',
      '1',
      stored({ idempotencyKey: 'k', idempotencyTtlMs: 1, version: 2 ** 53, versionEpoch: 've', delta: true }),
    );
    publish('a', '2', stored({ historyTtlMs: 1500, historyMetaTtlMs: 0 }));
    publish('a', '3', publishOptions({ idempotencyKey: 'k' }));
    const [one, two, three] = asked();
    expect(one!.keys).toEqual(['p.stream.{a}', 'p.stream.meta.{a}', 'p.result.{a}.k']);
    const epoch = expect.stringMatching(/^[a-zA-Z]{8}$/);
    expect(one!.args).toEqual(['<1>', '10', '60', 'p.client.{a}', '86400', epoch, '1', '1', '9007199254740992', 've']);
    expect(two!.args).toEqual(['<2>', '10', '2', 'p.client.{a}', '0', epoch, '', '', '0', '']);
    expect(three!.keys).toEqual(['p.result.{a}.k', 'p.stream.meta.{a}']);
    expect(three!.args).toEqual(['<3>', 'p.client.{a}', '300']);
  });

  it('and is answered', () => {
    const { publish, asked, answers } = start();
    const once = stored({ idempotencyKey: 'k' });
    for (const text of ['new', 'old', 'moved']) publish('a', text, once);
    for (const text of ['pass', 'away']) publish('a', text, publishOptions());
    for (const text of ['first', 'again', 'fenced']) publish('a', text, publishOptions({ idempotencyKey: 'k' }));
    const epoch = Buffer.from('e');
    const replies: Reply[] = [
      [5, epoch, Buffer.alloc(0)],
      [Buffer.from('4'), epoch, Buffer.from('idempotency')],
      Buffer.from('moved'),
      1,
      1,
      0,
      Buffer.from('moved'),
    ];
    for (const { handler, args } of asked())
      if (args.includes('<away>')) handler.fail(errors.internal);
      else handler.reply(replies.shift()!);
    expect(answers).toEqual({
      new: { offset: 5, epoch: 'e' },
      old: { offset: 4, epoch: 'e', suppressed: 'idempotency' },
      moved: channelMoved,
      pass: { offset: 0, epoch: '' },
      away: errors.internal,
      first: { offset: 0, epoch: '' },
      again: { offset: 0, epoch: '', suppressed: 'idempotency' },
      fenced: channelMoved,
    });
  });
});

it.each(['settling', 'down'] as const)('nothing is published while the feed is %s', (state) => {
  const { publish, endTurn, asked, answers, shard } = start();
  shard.state = state;
  publish('a', '1', stored());
  publish('a', '2', publishOptions());
  endTurn();
  expect(answers).toEqual({ 1: errors.internal, 2: errors.internal });
  expect(asked()).toEqual([]);
});

describe('what is not stored', () => {
  it('is answered one by one, in order, and refused one by one', () => {
    const { publish, endTurn, asked, answers, shard } = start();
    publish('a', '1', publishOptions());
    shard.isFull = true;
    publish('b', '2', publishOptions());
    shard.isFull = false;
    publish('a', '3', publishOptions());
    expect(answers).toEqual({ 2: errors.tooManyRequests });
    endTurn();
    publish('a', '4', publishOptions());
    const [one, three, four] = asked();
    one!.handler.fail(errors.internal);
    three!.handler.reply(1);
    four!.handler.reply(1);
    const passed = { offset: 0, epoch: '' };
    expect(answers).toEqual({ 1: errors.internal, 2: errors.tooManyRequests, 3: passed, 4: passed });
  });
});
