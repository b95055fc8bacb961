/** The scorecard, as text and for the page. */
import { goalText } from '../goals/judge.mjs';
import { escaped, ratioChart } from './chart.mjs';
import { figure, table } from './text.mjs';

const verdictOf = ({ met, void: voids }) =>
  [met === null ? '' : met ? 'met' : 'MISSED', voids > 0 ? `${voids} void` : ''].filter(Boolean).join(', ');

const HEAD = ['', '', '', 'median', 'goal', 'middle half'];

const rowOf = (goal) => [
  goal.id,
  goal.what,
  verdictOf(goal),
  goal.value === null ? '–' : `${figure(goal.value.median)} ${goal.unit}`,
  goalText(goal),
  goal.value === null ? '' : `${figure(goal.value.low)} – ${figure(goal.value.high)}`,
];

const legend = ({ a, b }) => `A is ${a}${b ? `, B is ${b}` : ''}. ${NOTE}`;
const NOTE = '× is how many times B’s cost is A’s, or A’s latency B’s.';

/** @param {{goals: object[], servers: {a: string, b?: string}}} report */
export function goalsTable({ goals, servers }) {
  const rows = [HEAD, ...goals.map(rowOf)].map(([id, what, ...rest]) => [`${id.padEnd(ID_WIDTH)}  ${what}`, ...rest]);
  const asked = goals.filter(({ met }) => met !== null);
  const met = asked.filter((goal) => goal.met);
  return `${table(rows)}\n\n${met.length} of ${asked.length} goals met. ${legend(servers)}`;
}
const ID_WIDTH = 17;

/** @returns {string[]} SVG: two charts if there are many goals, so that they fit beside each other */
export function goalsCharts(goals) {
  const shown = goals.filter(({ score }) => score !== null);
  const half = shown.length > CHART_GOALS_MAX ? Math.ceil(shown.length / 2) : shown.length;
  return [shown.slice(0, half), shown.slice(half)].filter((part) => part.length > 0).map(goalsChart);
}
const CHART_GOALS_MAX = 8;

function goalsChart(goals) {
  const metrics = goals.map((goal) => ({
    label: `${goal.id}: ${goalText(goal)}`,
    ratio: goal.score,
    value: `${figure(goal.value.median)} ${goal.unit}`,
  }));
  return ratioChart('Where the goals are: 1 × is the goal', metrics, {
    below: '← missed',
    above: 'more than asked for →',
    isGood: (ratio) => ratio >= 1,
  });
}

/** How many times as much as the other server it does, for as much CPU time or memory. @returns {string | null} SVG */
export function serversChart(goals, { a, b }) {
  const compared = goals.filter(({ unit, min, value }) => unit === '×' && min !== undefined && value !== null);
  if (b === undefined || compared.length === 0) return null;
  const metrics = compared.map(({ what, value }) => ({ label: what.split(':')[0], ratio: value }));
  return ratioChart(`At the same cost, against ${b}`, metrics, {
    below: '← less',
    above: `${a} does more →`,
    isGood: (ratio) => ratio >= 1,
  });
}

/** Sections of the page. */
export function goalsSections({ goals, servers, notes: crowded }) {
  const cells = (tag, row) => row.map((cell) => `<${tag}>${escaped(cell)}</${tag}>`).join('');
  const rows = goals.map((goal) => {
    const cls = goal.met === false || goal.void > 0 ? ' class="missed"' : '';
    return `<tr${cls}>${cells('td', rowOf(goal))}</tr>`;
  });
  const broken = goals.filter(({ why }) => why !== null);
  const notes = broken
    .map(({ id, why }) => `<p class="void">${escaped(id)}, void: ${escaped(why)}</p>`)
    .concat(crowded.map((line) => `<p class="muted">${escaped(line)}</p>`));
  const commands = goals.map(({ id, command }) => `<dt>${escaped(id)}</dt><dd><code>${escaped(command)}</code></dd>`);
  return [
    `<section><p class="muted">${escaped(legend(servers))}</p>${notes.join('')}
<div class="scroll"><table class="goals"><thead><tr>${cells('th', HEAD)}</tr></thead><tbody>${rows.join('')}</tbody></table></div></section>`,
    `<section><div class="charts">${[...goalsCharts(goals), serversChart(goals, servers) ?? '']
      .map((chart) => `<div>${chart}</div>`)
      .join('')}</div></section>`,
    `<section><details><summary>One goal again</summary><dl class="commands">${commands.join('')}</dl></details></section>`,
  ];
}
