/** The transport's pure parts. */
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Socket } from '../../src/clients/socket.js';
import { globToRegExp } from '../../src/lib/glob.js';
import { chooseSubprotocol } from '../../src/transport/handshake.js';
import { compileOrigins } from '../../src/transport/origins.js';
import { StallWatch } from '../../src/transport/stalls.js';
import { explain } from '../../src/transport/uws.js';
import { websocketErrors, websocketLimits, websocketNotices } from '../../src/transport/websocket-options.js';
import { defaults } from './server.js';

describe('globs', () => {
  it.each([
    ['*', '', true],
    ['a*', 'a/b.c', true],
    ['a?c', 'abc', true],
    ['a?c', 'ac', false],
    ['a.c', 'abc', false],
    ['[a-c]x', 'bx', true],
    ['[a-c]x', 'dx', false],
    ['[!a-c]x', 'dx', true],
    ['[!a-c]x', 'bx', false],
    ['{ab,c*}d', 'abd', true],
    ['{ab,c*}d', 'cxyzd', true],
    ['{ab,c*}d', 'd', false],
    ['{a,{b,c}}d', 'cd', true],
    ['a,b}', 'a,b}', true],
    ['\\*', '*', true],
    ['\\*', 'a', false],
    ['a+(b)|^$', 'a+(b)|^$', true],
    ['*a', 'x\na', true],
  ])('%s against %j: %s', (glob, text, matches) => {
    expect(globToRegExp(glob).test(text)).toBe(matches);
  });

  it.each(['[a', '{a,b', '{a,{b}', '['])('%s is malformed', (glob) => {
    expect(() => globToRegExp(glob)).toThrow(/unclosed/);
  });

  it('with everything escaped match exactly themselves', () => {
    const escaped = (text: string) => text.replace(/./gsu, '\\$&');
    fc.assert(
      fc.property(fc.string({ unit: 'binary-ascii' }), fc.string({ unit: 'binary-ascii' }), (text, other) => {
        expect(globToRegExp(escaped(text)).test(text)).toBe(true);
        expect(globToRegExp(escaped(text)).test(other)).toBe(text === other);
      }),
      { seed: 1 },
    );
  });
});

describe('origins', () => {
  it('are checked in bounded time', () => {
    const allows = compileOrigins(['https://*a*a*.example']);
    expect(allows(`https://${'a'.repeat(60_000)}`)).toBe(false);
  });

  it('of a malformed list are an error at start', () => {
    expect(() => compileOrigins(['https://[a'])).toThrow('unclosed [ in pattern "https://[a"');
  });
});

describe('subprotocols', () => {
  it.each([
    ['', ''],
    ['centrifuge-json', 'centrifuge-json'],
    ['a, centrifuge-protobuf', 'centrifuge-protobuf'],
    [' centrifuge-json ,centrifuge-protobuf', 'centrifuge-json'],
    ['centrifuge', ''],
    [',,', ''],
  ])('of "%s": "%s"', (offered, chosen) => {
    expect(chooseSubprotocol(offered)).toBe(chosen);
  });
});

describe('options', () => {
  it('default as documented', () => {
    expect(websocketLimits({ ...defaults, message_size_limit: 0, write_timeout: 0 })).toMatchObject({
      maxMessageBytes: 65536,
      maxDecompressedBytes: 65536,
      writeTimeoutMs: 1000,
    });
    const compressed = { ...defaults, compression: true, message_size_limit: 1000 };
    expect(websocketLimits(compressed).maxDecompressedBytes).toBe(10_000);
    expect(websocketLimits({ ...compressed, decompressed_message_size_limit: 500 }).maxDecompressedBytes).toBe(500);
  });

  it('that cannot be followed are errors', () => {
    expect(websocketErrors('websocket', defaults)).toEqual([]);
    expect(websocketErrors('websocket', { ...defaults, message_size_limit: -1 })).toHaveLength(1);
    expect(websocketErrors('websocket', { ...defaults, decompressed_message_size_limit: 2 ** 31 })).toHaveLength(1);
    expect(websocketErrors('uni_websocket', { ...defaults, write_timeout: -1 })).toEqual([
      'uni_websocket.write_timeout must not be negative',
    ]);
  });

  it('without effect are mentioned', () => {
    expect(websocketNotices('websocket', defaults)).toEqual([]);
    expect(websocketNotices('websocket', { ...defaults, compression_level: 9 })).toEqual([]);
    const tuned = { ...defaults, read_buffer_size: 512, use_write_buffer_pool: true };
    expect(websocketNotices('websocket', tuned)).toHaveLength(2);
    expect(websocketNotices('websocket', { ...defaults, compression: true, compression_level: 9 })).toHaveLength(1);
  });
});

describe('stalls', () => {
  let now = 0;
  let watch: StallWatch;
  const socket = (): Socket => {
    const fake: Socket = {
      alive: true,
      send: () => 1,
      ping: () => {},
      end: () => {},
      destroy: vi.fn(() => watch.stop(fake)),
    };
    return fake;
  };
  const pass = (ms: number) => {
    now += ms;
    vi.advanceTimersByTime(ms);
  };
  beforeEach(() => {
    vi.useFakeTimers();
    now = 0;
    watch = new StallWatch(1000, () => now);
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it('end in destruction after the timeout, not before', () => {
    const stalled = socket();
    watch.start(stalled);
    pass(750);
    watch.start(stalled);
    expect(stalled.destroy).not.toHaveBeenCalled();
    pass(250);
    expect(stalled.destroy).toHaveBeenCalledTimes(1);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('are forgiven by progress, and forgotten when over', () => {
    const [slow, fine] = [socket(), socket()];
    watch.start(slow);
    watch.start(fine);
    pass(900);
    watch.progress(slow);
    watch.stop(fine);
    pass(900);
    expect(slow.destroy).not.toHaveBeenCalled();
    pass(250);
    expect(slow.destroy).toHaveBeenCalledTimes(1);
    expect(fine.destroy).not.toHaveBeenCalled();
  });

  it('of sockets that do not wait are not started by progress', () => {
    watch.progress(socket());
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe('a library that does not load', () => {
  it.each([
    ["Error: x\n\nError: /lib/libc.so.6: version `GLIBC_2.38' not found", 'Run "node scripts/patch-uws.mjs" once'],
    ["Error: Cannot find module 'uWebSockets.js'", 'Run "npm ci"'],
    [
      "Error: This version of uWS.js supports only ...\n\nError: Cannot find module './uws_linux_x64_999.node'\nRequire stack:",
      "Cannot find module './uws_linux_x64_999.node'. It needs Node 20",
    ],
  ])('%j is explained in one line', (error, text) => {
    expect(explain(error)).toContain(text);
    expect(explain(error)).not.toContain('\n');
  });
});
