/** `websocket.*` of the configuration, as far as this transport can follow it. */

/** Sizes in bytes, times in milliseconds; zeros as in the configuration. */
export interface WebSocketOptions {
  readonly compression: boolean;
  readonly compression_min_size: number;
  readonly compression_level: number;
  readonly read_buffer_size: number;
  readonly use_write_buffer_pool: boolean;
  readonly write_buffer_size: number;
  readonly write_timeout: number;
  readonly message_size_limit: number;
  readonly decompressed_message_size_limit: number;
}

export interface WebSocketLimits {
  /** A message as it travels, from a client that did not negotiate compression. */
  readonly maxMessageBytes: number;
  /** A message from a client that did. The library tells only this size, not the compressed one. */
  readonly maxDecompressedBytes: number;
  /** What the library takes in at all. Between the limit and this, the client gets the proper close code 1009. */
  readonly maxPayloadBytes: number;
  readonly writeTimeoutMs: number;
}

const DEFAULT_MESSAGE_BYTES = 64 * 1024;
const DEFAULT_DECOMPRESSED_FACTOR = 10;
const DEFAULT_WRITE_TIMEOUT_MS = 1000;
/** Room above the limit, so that an oversized message is usually read to its end and answered with 1009. */
const OVERSIZE_BYTES = 1024 * 1024;

export function websocketLimits(options: WebSocketOptions): WebSocketLimits {
  const maxMessageBytes = options.message_size_limit || DEFAULT_MESSAGE_BYTES;
  const decompressed = options.decompressed_message_size_limit || maxMessageBytes * DEFAULT_DECOMPRESSED_FACTOR;
  const maxDecompressedBytes = options.compression ? decompressed : maxMessageBytes;
  return {
    maxMessageBytes,
    maxDecompressedBytes,
    maxPayloadBytes: Math.max(maxMessageBytes, maxDecompressedBytes) + OVERSIZE_BYTES,
    writeTimeoutMs: options.write_timeout || DEFAULT_WRITE_TIMEOUT_MS,
  };
}

/** `maxPayloadBytes` is a 32-bit number in the library. */
const MAX_LIMIT_BYTES = 1024 * 1024 * 1024;

/**
 * What is wrong with the options, for the configuration's check: one line each.
 *
 * @param section  'websocket' or another section with the same options
 */
export function websocketErrors(section: string, options: WebSocketOptions): string[] {
  const limits = ['message_size_limit', 'decompressed_message_size_limit'] as const;
  const errors = limits
    .filter((name) => options[name] < 0 || options[name] > MAX_LIMIT_BYTES)
    .map((name) => `${section}.${name} must be between 0 (default) and ${MAX_LIMIT_BYTES} bytes`);
  if (options.write_timeout < 0) errors.push(`${section}.write_timeout must not be negative`);
  return errors;
}

/** Options that are set and make no difference here, for a warning at start: one line each. */
export function websocketNotices(section: string, options: WebSocketOptions): string[] {
  const buffers = (['read_buffer_size', 'write_buffer_size', 'use_write_buffer_pool'] as const)
    .filter((name) => options[name])
    .map((name) => `${section}.${name} has no effect: connections here have no buffers of their own`);
  const level =
    options.compression && options.compression_level !== 1
      ? [`${section}.compression_level has no effect: the level is fixed`]
      : [];
  return [...buffers, ...level];
}
