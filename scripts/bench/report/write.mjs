/** Writes a report: result.json, report.html, and charts as SVG, and as PNG if asked for. */
import { accessSync, constants, mkdirSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, release, totalmem, type } from 'node:os';
import { delimiter, join } from 'node:path';
import { chromium } from 'playwright-core';
import { asFile } from './chart.mjs';
import { comparisonChart, latencyChart, throughputChart } from './charts.mjs';
import { goalsCharts, serversChart } from './goals.mjs';
import { page } from './page.mjs';

const BROWSERS = ['chromium', 'chromium-browser', 'google-chrome'];
const PIXELS_PER_POINT = 2;

const machine = () => ({
  cpu: cpus()[0]?.model.trim() ?? process.arch,
  cores: availableParallelism(),
  memory_bytes: totalmem(),
  system: `${type()} ${release()}`,
  node: process.versions.node,
});

/**
 * @param {string} folder  made if it is not there
 * @param {{title: string, results: object[], comparisons?: object[], goals?: object[], servers?: object}} report
 * @param {boolean} [png]  also PNG files, which takes Chromium
 * @returns {Promise<string>} the folder
 * @throws {Error} if there is no Chromium for them
 */
export async function writeReport(folder, report, png = false) {
  const full = { ...report, createdAt: new Date().toISOString(), machine: machine() };
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'result.json'), `${JSON.stringify({ schema: 1, ...full }, null, 1)}\n`);
  writeFileSync(join(folder, 'report.html'), page(full));
  const charts = chartsOf(full);
  for (const [name, chart] of charts) writeFileSync(join(folder, `${name}.svg`), asFile(chart));
  if (png) await writePngs(folder, charts);
  return folder;
}

function chartsOf({ results, comparisons = [], goals, servers }) {
  const charts = goals
    ? [...goalsCharts(goals).map((chart, i) => [`goals-${i + 1}`, chart]), ['servers', serversChart(goals, servers)]]
    : comparisons.length > 0
      ? comparisons.map((comparison) => [`comparison-${comparison.scenario}`, comparisonChart(comparison)])
      : results.flatMap((result) => [
          [
            `latency-${result.scenario}`,
            latencyChart(`${result.scenario}: latency`, [{ name: '', results: [result] }]),
          ],
          [`throughput-${result.scenario}`, throughputChart(result)],
        ]);
  return charts.filter(([, chart]) => chart !== null);
}

async function writePngs(folder, charts) {
  const executablePath = findBrowser();
  if (executablePath === undefined) throw new Error('PNG files need Chromium, and there is none in the PATH');
  // Its sandbox does not start as root, and what is shown here was written here.
  const browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
  try {
    const tab = await browser.newPage({ deviceScaleFactor: PIXELS_PER_POINT });
    for (const [name, chart] of charts) {
      await tab.setContent(`<body style="margin:0">${asFile(chart)}</body>`);
      await tab.locator('svg').screenshot({ path: join(folder, `${name}.png`) });
    }
  } finally {
    await browser.close();
  }
}

/** Path of a Chromium, or undefined. */
export function findBrowser() {
  const folders = (process.env.PATH ?? '').split(delimiter);
  return BROWSERS.flatMap((name) => folders.map((folder) => join(folder, name))).find(isExecutable);
}

function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
