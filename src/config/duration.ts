const UNIT_MS: Record<string, number> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  μs: 1e-3,
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
};
const NS_PER_MS = 1e6;
const SYNTAX = /^[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+$/;
const TERM = /(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)/g;

/**
 * Reads a duration written as Go does: `"1m30s"`, `"250ms"`, `"-1s"`, `"0"`; a plain number is nanoseconds.
 *
 * @returns milliseconds (a fraction for shorter units), or undefined when it is not a duration.
 */
export function parseDuration(value: string | number): number | undefined {
  if (typeof value === 'number') return Number.isFinite(value) ? value / NS_PER_MS : undefined;
  if (/^[+-]?0$/.test(value)) return 0;
  if (!SYNTAX.test(value)) return undefined;
  let ms = 0;
  for (const [, amount, unit] of value.matchAll(TERM)) ms += Number(amount) * UNIT_MS[unit!]!;
  return value.startsWith('-') ? -ms : ms;
}

/** Writes milliseconds as `parseDuration` reads them, largest units first: 5400000 is `"1h30m"`. */
export function formatDuration(ms: number): string {
  if (ms === 0) return '0s';
  if (ms < 0) return `-${formatDuration(-ms)}`;
  if (ms < 1) return `${Math.round(ms * NS_PER_MS)}ns`;
  let rest = ms;
  let text = '';
  for (const unit of ['h', 'm', 's'] as const) {
    const size = UNIT_MS[unit]!;
    const amount = Math.floor(rest / size);
    if (amount > 0) text += `${amount}${unit}`;
    rest -= amount * size;
  }
  return rest > 0 ? `${text}${Number(rest.toFixed(6))}ms` : text;
}
