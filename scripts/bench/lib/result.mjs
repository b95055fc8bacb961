/** The form of a result: what every load generator prints and every report reads. */
import { z } from 'zod';
import { SCENARIOS } from '../scenarios.mjs';

const count = z.number().int().nonnegative();
const amount = z.number().nonnegative();
const perhaps = amount.nullable();

/** Microseconds. */
const latency = z.object({
  count,
  min: amount,
  mean: amount,
  p50: amount,
  p90: amount,
  p99: amount,
  p999: amount,
  max: amount,
  histogram: z.string().describe('HdrHistogram V2, compressed, base64, in microseconds'),
});

const second = z.object({
  t: amount.describe('end of the second, since measurement began'),
  operations: count,
  delivered: count,
  p50_us: perhaps,
  p99_us: perhaps,
  server_cpu: perhaps.describe('cores'),
});

export const resultSchema = z.object({
  schema: z.literal(1),
  scenario: z.enum(Object.keys(SCENARIOS)),
  generator: z.enum(['native', 'javascript']),
  server: z.object({ url: z.string(), software: z.enum(['gyre', 'centrifugo', 'unknown']), version: z.string() }),
  parameters: z.record(z.string(), z.unknown()),
  started_at: z.iso.datetime({ offset: true }).describe('when measurement began'),
  seconds: amount,
  valid: z.boolean(),
  void: z.string().nullable(),
  counts: z.looseObject({
    operations: count,
    published: count,
    delivered: count,
    received_bytes: count,
    errors: count,
    connections: count,
  }),
  rates: z.object({ operations_per_second: amount, deliveries_per_second: amount }),
  cpu: z.object({
    server_user_s: perhaps,
    server_system_s: perhaps,
    server_total_s: perhaps,
    per_operation_us: perhaps,
    per_delivery_us: perhaps,
    redis_s: perhaps,
    client_s: perhaps,
  }),
  memory: z.object({
    server_rss_start: perhaps,
    server_rss_end: perhaps,
    server_rss_peak: perhaps,
    per_connection: z.number().nullable(),
  }),
  latency_us: latency.nullable(),
  first_us_max: perhaps.describe('longest until the first subscriber had a publication'),
  series: z.array(second),
  floor: z.object({ us_per_send: amount, times: amount }).nullable(),
});

/** @throws {Error} that names what is missing or wrong. */
export function checkResult(value) {
  const { success, data, error } = resultSchema.safeParse(value);
  if (success) return data;
  const [issue] = error.issues;
  throw new Error(`a result of another form: ${issue.path.join('.')}: ${issue.message}`);
}
