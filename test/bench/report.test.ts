/** Reports: what they show, and that a browser shows it as meant. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Browser, chromium, type Page } from 'playwright-core';
import { beforeAll, describe, expect, test } from 'vitest';
import { checkResult } from '../../scripts/bench/lib/result.mjs';
import { compare } from '../../scripts/bench/lib/statistics.mjs';
import { linear, log, percentiles, ratios } from '../../scripts/bench/report/scales.mjs';
import { bytes, duration, figure, resultTable, summaryOf } from '../../scripts/bench/report/text.mjs';
import { findBrowser, writeReport } from '../../scripts/bench/report/write.mjs';
import { SCENARIOS } from '../../scripts/bench/scenarios.mjs';
import { sampleResult } from './sample-result.js';

const HOSTILE = '"><script>document.title = "taken"</script>';

describe('text', () => {
  test('figures', () => {
    expect([0.12345, 0, 12.345, 1234.5, null].map(figure)).toEqual(['0.123', '0', '12.3', '1,235', '–']);
    expect([12, 1500, 2_500_000].map(duration)).toEqual(['12 µs', '1.5 ms', '2.5 s']);
    expect([0, 512, 2048, 3 * 2 ** 30].map(bytes)).toEqual(['0 B', '512 B', '2 KB', '3 GB']);
  });

  test('a void run says so', () => {
    const result = { ...sampleResult(), valid: false, void: '3 subscribers did not get everything' };
    expect(summaryOf(result)).toContain('VOID: 3 subscribers');
    expect(resultTable([result])).toMatch(/VOID$/);
    expect(resultTable([sampleResult()])).not.toContain('VOID');
  });
});

describe('scales', () => {
  test('begin and end with their ticks', () => {
    for (const scale of [linear(73), log(3, 4200)]) {
      expect(scale.at(scale.ticks[0]!)).toBe(0);
      expect(scale.at(scale.ticks.at(-1)!)).toBeCloseTo(1);
    }
    expect(linear(73).ticks).toEqual([0, 20, 40, 60, 80]);
    expect(log(3, 4200).ticks).toEqual([1, 10, 100, 1000, 10_000]);
  });

  test('give every nine as much room', () => {
    const { at, ticks } = percentiles(99.9);
    expect(ticks).toEqual([50, 90, 99, 99.9]);
    expect([at(0), at(90), at(99), at(99.9)].map((x) => Math.round(x * 3))).toEqual([0, 1, 2, 3]);
  });

  test('show twice and half at the same distance', () => {
    const { at, ticks } = ratios([1.5, 3]);
    expect(at(1)).toBe(0.5);
    expect(at(2) - 0.5).toBeCloseTo(0.5 - at(0.5));
    expect(ticks).toContain(1);
  });
});

test('a result of another form is refused by the name of what is wrong', () => {
  const { latency_us: _, ...without } = sampleResult();
  expect(() => checkResult(without)).toThrow('latency_us');
  expect(() => checkResult({ ...sampleResult(), scenario: 'guess' })).toThrow('scenario');
});

describe('page', () => {
  let browser: Browser;
  const folder = mkdtempSync(join(tmpdir(), 'gyre-report-'));
  const names = { a: 'Gyre 0.1.0', b: 'Other 1.0' };

  beforeAll(async () => {
    const scenarios = Object.keys(SCENARIOS);
    const results = scenarios.map((scenario) => sampleResult({ scenario, version: HOSTILE }));
    results[0]!.floor = { us_per_send: 2, times: 2.5 };
    await writeReport(join(folder, 'tour'), { title: `Tour ${HOSTILE}`, results });
    const runs = [2, 3, 4].map((cost) => ({
      a: sampleResult({ perDeliveryUs: 2, latenciesUs: [100, 150] }),
      b: sampleResult({ perDeliveryUs: cost, latenciesUs: [1000, 2000] }),
    }));
    const comparison = { scenario: 'fanout', names, runs, ...compare(runs) };
    const all = runs.flatMap(({ a, b }) => [a, b]);
    await writeReport(
      join(folder, 'comparison'),
      { title: 'Comparison', results: all, comparisons: [comparison] },
      true,
    );
    browser = await chromium.launch({ executablePath: findBrowser()!, args: ['--no-sandbox'] });
    return async () => {
      await browser.close();
      rmSync(folder, { recursive: true });
    };
  });

  async function open(
    name: string,
    width: number,
    colorScheme: 'light' | 'dark',
  ): Promise<{ page: Page; news: string[] }> {
    const page = await browser.newPage({ viewport: { width, height: 800 }, colorScheme });
    const news: string[] = [];
    page.on('request', (request) => news.push(request.url()));
    page.on('console', (message) => news.push(message.text()));
    await page.goto(`file://${join(folder, name, 'report.html')}`);
    return { page, news };
  }

  test.each(['tour', 'comparison'])('%s stands by itself and fits a phone, light and dark', async (name) => {
    const backgrounds = new Set<string>();
    for (const scheme of ['light', 'dark'] as const) {
      const { page, news } = await open(name, 390, scheme);
      expect(news).toEqual([`file://${join(folder, name, 'report.html')}`]);
      expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(390);
      backgrounds.add((await page.evaluate('getComputedStyle(document.body).backgroundColor')) as string);
      await page.close();
    }
    expect(backgrounds.size).toBe(2);
  });

  test('a tour has a row and a section for every scenario, and text from servers is only text', async () => {
    const { page } = await open('tour', 1200, 'light');
    const count = Object.keys(SCENARIOS).length;
    expect(await page.locator('tbody tr').count()).toBe(count);
    expect(await page.locator('section h2').allTextContents()).toEqual(Object.keys(SCENARIOS));
    expect(await page.locator('script').count()).toBe(0);
    expect(await page.title()).toBe(`Tour ${HOSTILE}`);
    expect(await page.locator('section', { hasText: 'of the floor' }).textContent()).toContain('2.5 ×');
    // Lines of charts are inside of them.
    const outside = await page.evaluate(`[...document.querySelectorAll('svg')].flatMap((svg) => {
      const { width, height } = svg.viewBox.baseVal;
      return [...svg.querySelectorAll('polyline, text, rect')].map((part) => part.getBBox())
        .filter((box) => box.x < -1 || box.y < -1 || box.x + box.width > width + 1 || box.y + box.height > height + 1)
        .map((box) => [box.x, box.y, box.width, box.height].join(' '));
    })`);
    expect(outside).toEqual([]);
    await page.close();
  });

  test('a comparison shows ratio, spread and both latencies', async () => {
    const { page } = await open('comparison', 1200, 'light');
    const row = page.locator('tbody tr', { hasText: 'CPU per delivery' }).first();
    expect(await row.locator('td').allTextContents()).toEqual([
      'CPU per delivery, µs',
      '2',
      '3',
      '1.5 ×',
      '1.25 – 1.75',
      'no clear difference',
    ]);
    const [ratioChart, latency] = await page.locator('.charts svg').all();
    expect(await ratioChart!.locator('rect.bar').count()).toBe(
      await page.locator('section').first().locator('tbody tr').count(),
    );
    expect(await latency!.locator('polyline').count()).toBe(2);
    expect(await latency!.textContent()).toContain('B: Other 1.0');
    await page.close();
  });

  test('charts are files too', async () => {
    const { page } = await open('tour', 800, 'light');
    const files = readdirSync(join(folder, 'tour'));
    expect(readdirSync(join(folder, 'comparison'))).toContain('comparison-fanout.png');
    for (const file of files.filter((name) => name.endsWith('.svg'))) {
      const svg = readFileSync(join(folder, 'tour', file), 'utf8');
      const root = await page.evaluate(
        `new DOMParser().parseFromString(${JSON.stringify(svg)}, 'image/svg+xml').documentElement.nodeName`,
      );
      expect(`${file} ${root}`).toBe(`${file} svg`);
    }
    expect(JSON.parse(readFileSync(join(folder, 'tour/result.json'), 'utf8'))).toMatchObject({ schema: 1 });
    await page.close();
  });
});
