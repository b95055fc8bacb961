/** Charts as SVG text, without any library. Colours are variables of ./style.mjs. */
import { ratios } from './scales.mjs';
import { fileStyle } from './style.mjs';
import { figure } from './text.mjs';

const WIDTH = 440;
const CHAR_WIDTH = 7.6;
/** Of % and figures. */
const WIDE_CHAR_WIDTH = 8.6;
const MARGIN = 14;
const LEGEND_GAP = 40;

export const escaped = (text) =>
  String(text).replace(/[&<>"']/g, (c) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' })[c]);

const n = (value) => Number(value.toFixed(1));
const text = (x, y, content, { anchor = 'start', cls = '' } = {}) =>
  `<text x="${n(x)}" y="${n(y)}" text-anchor="${anchor}"${cls && ` class="${cls}"`}>${escaped(content)}</text>`;
const line = (x1, y1, x2, y2, cls) => `<line x1="${n(x1)}" y1="${n(y1)}" x2="${n(x2)}" y2="${n(y2)}" class="${cls}"/>`;

const svg = (height, title, parts) =>
  `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="${escaped(title)}">${parts.join('')}</svg>`;

/** A chart of a page as a file of its own, with a margin. */
export function asFile(chart) {
  const [box, width, height] = /viewBox="0 0 (\d+) (\d+)"/.exec(chart);
  const [w, h] = [Number(width) + 2 * MARGIN, Number(height) + 2 * MARGIN];
  const frame = `width="${w}" height="${h}" viewBox="${-MARGIN} ${-MARGIN} ${w} ${h}"`;
  return `${chart.replace(box, frame).replace('>', `><style>${fileStyle}</style>`)}\n`;
}

/**
 * @param {object} chart
 * @param {string} chart.title
 * @param {{name: string, points: [number, number][]}[]} chart.lines at most four, of at least one point each
 * @param {{at: (v: number) => number, ticks: number[], format: (v: number) => string, label?: string}} chart.x a scale of ./scales.mjs
 * @param {object} chart.y likewise
 */
export function lineChart({ title, lines, x, y }) {
  const hasLegend = lines.length > 1;
  const left = 14 + CHAR_WIDTH * Math.max(...y.ticks.map((tick) => y.format(tick).length));
  const box = { left, right: WIDTH - 24, top: hasLegend ? 66 : 42, bottom: 252 };
  const px = (value) => box.left + x.at(value) * (box.right - box.left);
  const py = (value) => box.bottom - y.at(value) * (box.bottom - box.top);
  const parts = [text(0, 18, title, { cls: 'title' })];
  if (hasLegend) parts.push(legend(lines.map(({ name }) => name)));
  for (const tick of y.ticks) {
    parts.push(line(box.left, py(tick), box.right, py(tick), 'grid'));
    parts.push(text(box.left - 8, py(tick) + 4.5, y.format(tick), { anchor: 'end' }));
  }
  parts.push(xLabels(x, px, box.bottom + 20));
  if (x.label) parts.push(text((box.left + box.right) / 2, box.bottom + 40, x.label, { anchor: 'middle' }));
  lines.forEach(({ points }, i) => {
    const path = points.map(([a, b]) => `${n(px(a))},${n(py(b))}`);
    if (path.length > 1) parts.push(`<polyline class="line l${i}" points="${path.join(' ')}"/>`);
    else parts.push(`<circle class="f${i}" cx="${path[0].split(',')[0]}" cy="${path[0].split(',')[1]}" r="4"/>`);
  });
  return svg(box.bottom + (x.label ? 48 : 30), title, parts);
}

/** Those that would run into the one to their left are left out. */
function xLabels({ ticks, format }, px, y) {
  let end = Number.NEGATIVE_INFINITY;
  const labels = ticks.map((tick) => {
    const label = format(tick);
    const half = (label.length * WIDE_CHAR_WIDTH) / 2;
    const middle = Math.min(px(tick), WIDTH - half);
    if (middle - half < end + 1.5 * CHAR_WIDTH) return '';
    end = middle + half;
    return text(middle, y, label, { anchor: 'middle' });
  });
  return labels.join('');
}

function legend(names) {
  let x = 0;
  return names
    .map((name, i) => {
      const at = x;
      x += LEGEND_GAP + name.length * CHAR_WIDTH;
      return `${line(at, 41, at + 24, 41, `line l${i}`)}${text(at + 30, 45.5, name)}`;
    })
    .join('');
}

const ROW = 46;
const COMPARED = { below: '← B lower', above: 'B higher →', isGood: (ratio) => ratio <= 1 };

/**
 * Ratios B / A, a bar each from 1 to the median; the box is the middle half of the pairs, the whisker all of them.
 * @param {string} title
 * @param {{label: string, value?: string, ratio: {median: number, low: number, high: number, min: number, max: number}}[]} metrics
 *   value: what is said instead of the ratio
 * @param {{below: string, above: string, isGood: (ratio: number) => boolean}} meaning  of its sides
 */
export function ratioChart(title, metrics, { below, above, isGood } = COMPARED) {
  const x = ratios(metrics.flatMap(({ ratio }) => [ratio.min, ratio.max]));
  const box = { left: 10, right: WIDTH - 10, top: 36, bottom: 44 + ROW * metrics.length };
  const px = (value) => box.left + x.at(value) * (box.right - box.left);
  const parts = [text(0, 18, title, { cls: 'title' })];
  for (const tick of x.ticks) {
    parts.push(line(px(tick), box.top, px(tick), box.bottom, tick === 1 ? 'base' : 'grid'));
    parts.push(text(px(tick), box.bottom + 18, `${tick} ×`, { anchor: 'middle' }));
  }
  metrics.forEach(({ label, ratio, value: said }, i) => {
    const top = box.top + 6 + ROW * i;
    const y = top + 28;
    const [from, to] = [px(1), px(ratio.median)].sort((a, b) => a - b);
    const spread = `${figure(ratio.low)} – ${figure(ratio.high)}`;
    const value = said ?? `${figure(ratio.median)} × (${spread})`;
    parts.push(
      text(0, top + 13, label, { cls: 'halo' }),
      text(WIDTH, top + 13, value, { anchor: 'end', cls: 'halo value' }),
    );
    parts.push(
      `<rect class="bar f${isGood(ratio.median) ? 2 : 1}" x="${n(from)}" y="${y - 8}" width="${n(Math.max(1, to - from))}" height="16" rx="2"/>`,
    );
    parts.push(line(px(ratio.min), y, px(ratio.max), y, 'whisker'));
    parts.push(
      `<rect class="box" x="${n(px(ratio.low))}" y="${y - 5}" width="${n(px(ratio.high) - px(ratio.low))}" height="10"/>`,
    );
  });
  parts.push(text(0, box.bottom + 38, below), text(WIDTH, box.bottom + 38, above, { anchor: 'end' }));
  return svg(box.bottom + 46, title, parts);
}
