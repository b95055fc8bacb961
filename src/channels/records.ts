/**
 * Layout of the records between edges and owners. The kind byte in front is mesh/records.ts'.
 *
 *   publish      | u32 call | string channel | u8 flags | [keyed: string idempotency key | uvarint version
 *                | string version epoch] | entry |     → [f64 offset | string epoch | u8 suppressed]; without: 0 and ''
 *   attach       | u32 call | u32 edge id | string channel | u8 flags | [recover: f64 offset, string epoch] | [holds: f64 offset]
 *                | [announce: string client, string user, info …] |      → f64 offset | string epoch | u8 RECOVERED | entries
 *   detach       | u32 edge id | string channel | u8 flags | [announce: as above] |
 *   renew        | string channel | string client | string user | info … |
 *   history      | u32 call | string channel | u8 flags | f64 limit | [since: f64 offset, string epoch] |
 *                                                       → f64 offset | string epoch | entries
 *   removeHistory, presence, presenceStats   | u32 call | string channel |
 *   publication  | u32 edge id | entry |
 *   join, leave  | u32 edge id | info … |
 *   lost         | u32 edge id |
 *
 * `[name: …]` is present if the flag of that name is set.
 */

export const PublishFlag = { skipHistory: 1, delta: 2, keyed: 4 } as const;

export const AttachFlag = {
  /** The ack carries the stream's position. */
  position: 1,
  recover: 2,
  /** Recover the newest publication instead of the missed ones. */
  cache: 4,
  /** With cache: the edge picks the newest one that its filter matches, so it needs more than one. */
  filtered: 8,
  rejectUnrecovered: 16,
  presence: 32,
  joinLeave: 64,
  /** The edge has everything from the position to recover from up to another one. */
  holds: 128,
} as const;

/** With `afterHeld` the entries begin after what the edge holds. */
export const RECOVERED = { no: 0, whole: 1, afterHeld: 2 } as const;

export const DetachFlag = {
  /** No member is left at this edge. */
  last: 1,
  presence: 2,
  joinLeave: 4,
} as const;

export const HistoryFlag = { since: 1, reverse: 2 } as const;

export const SUPPRESSED = [undefined, 'idempotency', 'version'] as const;
