import { bool, choice, duration, int, section, text } from '../fields.js';

const path = (value: string) => text(value, 'URL path.');

export const log = section(
  {
    level: choice(['none', 'trace', 'debug', 'info', 'warn', 'error', 'fatal'], 'info', 'Least severe level logged.'),
    file: text('', 'File to log to; empty means standard error.'),
  },
  'Logging.',
);

export const prometheus = section(
  {
    enabled: bool('Turns the endpoint on.'),
    handler_prefix: path('/metrics'),
    instrument_http_handlers: bool('Counts HTTP requests.'),
    recovered_publications_histogram: bool('Measures how many publications are recovered.'),
    native_histograms: bool('Uses native histograms.'),
  },
  'Metrics for Prometheus.',
);

export const health = section(
  { enabled: bool('Turns the endpoint on.'), handler_prefix: path('/health') },
  'Health check.',
);

export const swagger = section(
  { enabled: bool('Turns the endpoint on.'), handler_prefix: path('/swagger') },
  'Description of the HTTP API.',
);

export const debug = section(
  { enabled: bool('Turns the endpoints on.'), handler_prefix: path('/debug/pprof') },
  'Profiling endpoints.',
);

export const init = section(
  { enabled: bool('Turns the endpoint on.'), handler_prefix: path('/connection/init') },
  'Endpoint that prepares connections.',
);

export const opentelemetry = section(
  {
    enabled: bool('Exports traces; set up by OTEL_* variables.'),
    api: bool('Traces the server API.'),
    consuming: bool('Traces consumers.'),
    google_cloud_adc_auth: bool('Signs in to Google Cloud by application default credentials.'),
  },
  'Tracing.',
);

export const graphite = section(
  {
    enabled: bool('Sends metrics.'),
    host: text('localhost', 'Host of Graphite.'),
    port: int(2003, 'TCP port of Graphite.', { min: 0, max: 65535 }),
    prefix: text('centrifugo', 'First part of every metric name.'),
    interval: duration('10s', 'Time between sends.'),
    tags: bool('Sends labels as tags.'),
  },
  'Metrics for Graphite.',
);

export const usageStats = section(
  { disabled: bool('Accepted for compatibility: Gyre sends no usage statistics.') },
  'Usage statistics.',
);

export const node = section(
  {
    name: text('', 'Name of this node; empty means host name and port.'),
    info_metrics_aggregate_interval: duration('60s', 'Time between metric snapshots in the info API.'),
  },
  'This node.',
);

export const shutdown = section({ timeout: duration('30s', 'Time a graceful shutdown may take.') }, 'Shutdown.');
