import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { Autocert } from '../../src/acme/autocert.js';
import { MemoryCache } from '../../src/acme/cache.js';
import type { Issued } from '../../src/acme/issuer.js';
import { Authority, type Validity } from '../support/certificates.js';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const HOST = 'chat.example.org';

let authority: Authority;
beforeAll(() => {
  authority = new Authority();
});
afterAll(() => authority.close());
beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'] }));
afterEach(() => void vi.useRealTimers());

/** Certificates are dated from the present, also when timers are not real. */
function certificate(validity: Validity, names = `DNS:${HOST}`): Issued {
  const { key, cert } = authority.issue(HOST, { names, ...validity });
  return { key, cert: cert + authority.cert };
}

const text = ({ key, cert }: Issued): string => key + cert;

class Scene {
  readonly used: string[] = [];
  readonly logged: string[] = [];
  readonly cache = new MemoryCache();
  asked = 0;
  answer: () => Issued = () => {
    throw new Error('refused');
  };
  readonly autocert: Autocert;

  constructor(hosts = [HOST]) {
    this.autocert = new Autocert(hosts, {
      cache: this.cache,
      issue: async () => {
        this.asked += 1;
        return this.answer();
      },
      now: Date.now,
      log: {
        info: (_: unknown, message?: string) => void this.logged.push(`info ${message}`),
        warn: (message: unknown) => void this.logged.push(`warn ${message}`),
        error: (fields: unknown, message?: string) => void this.logged.push(`error ${message ?? fields}`),
      } as never,
    });
  }

  async run(use: (issued: Issued) => void = () => {}): Promise<this> {
    this.autocert.run((issued) => {
      use(issued);
      this.used.push(issued.cert);
    });
    await vi.advanceTimersByTimeAsync(0);
    return this;
  }
}

test('what is in the cache is used, and a new one asked for thirty days before it ends', async () => {
  const scene = new Scene();
  const [old, fresh] = [certificate({ to: 90 * DAY }), certificate({ to: 180 * DAY })];
  scene.cache.put(HOST, text(old));
  scene.answer = () => fresh;
  await scene.run();
  await vi.advanceTimersByTimeAsync(59 * DAY);
  expect([scene.used, scene.asked]).toEqual([[old.cert], 0]);
  await vi.advanceTimersByTimeAsync(3 * DAY);
  expect([scene.used, scene.asked]).toEqual([[old.cert, fresh.cert], 1]);
  expect(scene.cache.get(HOST)).toBe(text(fresh));
  scene.autocert.close();
  await vi.advanceTimersByTimeAsync(90 * DAY);
  expect(scene.asked).toBe(1);
});

test('one that lives shortly is replaced when a third of its life is left', async () => {
  const scene = new Scene();
  scene.answer = () => certificate({ from: 0, to: 6 * DAY });
  await scene.run();
  expect(scene.asked).toBe(1);
  await vi.advanceTimersByTimeAsync(3.9 * DAY);
  expect(scene.asked).toBe(1);
  await vi.advanceTimersByTimeAsync(0.25 * DAY);
  expect([scene.asked, scene.used.length]).toEqual([2, 2]);
  scene.autocert.close();
});

test.each<[what: string, content: () => string]>([
  ['has ended', () => text(certificate({ from: -2 * DAY, to: -DAY }))],
  ['lacks a name', () => text(certificate({ to: 90 * DAY }, 'DNS:other.example.org'))],
  ['has another key', () => certificate({ to: 90 * DAY }).key + certificate({ to: 90 * DAY }).cert],
  ['is damaged', () => 'rubbish'],
])('one in the cache that %s is not used', async (_, content) => {
  const scene = new Scene();
  scene.cache.put(HOST, content());
  expect(scene.autocert.cached()).toBeUndefined();
  const fresh = certificate({ to: 90 * DAY });
  scene.answer = () => fresh;
  await scene.run();
  expect(scene.used).toEqual([fresh.cert]);
  scene.autocert.close();
});

test('a failure is told and tried again, less and less often', async () => {
  const scene = await new Scene().run();
  const times = [0, 1, 4, 16, 60, 60].map((minutes) => minutes * MINUTE);
  for (const [i, ms] of times.entries()) {
    await vi.advanceTimersByTimeAsync(ms);
    expect(scene.asked).toBe(i + 1);
  }
  expect(scene.logged.filter((line) => line.startsWith('error'))).toHaveLength(times.length);
  expect(scene.logged).toContain('error no certificate from the authority: refused');
  const fresh = certificate({ to: 90 * DAY });
  scene.answer = () => fresh;
  await vi.advanceTimersByTimeAsync(HOUR);
  expect(scene.used).toEqual([fresh.cert]);
  scene.autocert.close();
});

test('what another node has put into the cache is found, and nothing asked for', async () => {
  const scene = await new Scene().run();
  expect(scene.asked).toBe(1);
  const other = certificate({ to: 90 * DAY });
  scene.cache.put(HOST, text(other));
  await vi.advanceTimersByTimeAsync(HOUR);
  expect([scene.used, scene.asked]).toEqual([[other.cert], 1]);
  scene.autocert.close();
});

test('one that cannot be used is a failure', async () => {
  const scene = new Scene();
  scene.answer = () => certificate({ to: 90 * DAY });
  await scene.run(() => {
    throw new Error('unusable');
  });
  expect(scene.logged).toContain('error no certificate from the authority: unusable');
  expect(scene.cache.get(HOST)).toBeUndefined();
  scene.autocert.close();
});

test('a cache that cannot be written keeps nobody from using the certificate', async () => {
  const scene = new Scene();
  scene.cache.put = () => {
    throw new Error('disk full');
  };
  const fresh = certificate({ to: 90 * DAY });
  scene.answer = () => fresh;
  await scene.run();
  expect(scene.used).toEqual([fresh.cert]);
  expect(scene.logged).toContain('error the certificate cannot be kept in the cache: disk full');
  await vi.advanceTimersByTimeAsync(DAY);
  expect(scene.asked).toBe(1);
  scene.autocert.close();
});
