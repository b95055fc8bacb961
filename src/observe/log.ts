/**
 * Logs: JSON lines to stderr or to a file; for a person at a terminal, coloured text on stdout.
 * Every thread has its own logger on the same destination, and writes whole lines, so that they do not mix.
 */
import pino, { type Logger } from 'pino';
import pretty from 'pino-pretty';
import type { LogConfig } from '../config/config.js';

export type Log = Logger;

const LEVELS = new Set(['trace', 'debug', 'info', 'warn', 'error', 'fatal']);

/** @param config  `level` none turns logging off; an unknown one means info. */
export function createLog(config: LogConfig, fields: Record<string, unknown>): Log {
  const level = config.level === 'none' ? 'silent' : LEVELS.has(config.level) ? config.level : 'info';
  const options = { level, base: fields, timestamp: pino.stdTimeFunctions.isoTime, serializers: { err: describe } };
  if (config.file !== '') return pino(options, pino.destination({ dest: config.file, append: true, sync: true }));
  if (!process.stdout.isTTY) return pino(options, pino.destination({ dest: 2, sync: true }));
  const terminal = pretty({
    colorize: true,
    sync: true,
    destination: 1,
    translateTime: 'SYS:HH:MM:ss.l',
    // Their text says the same (limits.ts).
    ignore: 'pid,limits,limit',
  });
  return pino(options, terminal);
}

/** Pino marks errors that it has seen. Those of the protocol are frozen, and have no stack to show. */
const describe = (error: unknown): unknown => (error instanceof Error ? pino.stdSerializers.err(error) : error);
