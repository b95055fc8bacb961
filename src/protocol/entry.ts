/**
 * Entry: a publication inside the server, from the publisher through the rings into history and out to the edges.
 *
 *   0        4       5         13        21
 *   | u32 le | u8    | f64 le  | f64 le  | Publication, protobuf (data, info, tags; never offset or time)
 *   | length | flags | offset  | time ms |
 *     of the whole entry, header included
 *
 * One layout everywhere means that ordering is a patch of two fields and fan-out, history and recovery are copies.
 * Entries stand one after the other in history slabs and in recovery acknowledgements.
 */
import type { Bytes, ClientInfo, Publication } from './messages.js';

export const ENTRY_HEADER_BYTES = 21;

/** `data` is known to be valid JSON. Without it, JSON subscribers cannot be served and are closed with 3506. */
export const ENTRY_JSON = 1;
/** The publisher asked for delta compression. */
export const ENTRY_DELTA = 2;

export declare function encodeEntry(
  pub: { data: Bytes; info?: ClientInfo | Bytes | undefined; tags?: Record<string, string> | undefined },
  flags: number,
): Buffer;
export declare function decodeEntry(entry: Bytes): Publication;
export type { Publication };
