/** First byte of every record on a ring. Layouts of the channel records are drawn in channels/records.ts. */
export const RecordKind = {
  /** The record itself is the next message on the wire's port. */
  oversize: 0,
  /** The sender had to drop what it owed: everything from its slot is to be treated as lost. */
  overflow: 1,
  /** | kind | u32 call | result … |  */
  reply: 2,
  /** | kind | u32 call | u32 error code |  */
  failure: 3,
  /** | kind | u32 call | string question | JSON … |  */
  ask: 4,

  // edge to owner
  publish: 8,
  attach: 9,
  detach: 10,
  renew: 11,
  history: 12,
  removeHistory: 13,
  presence: 14,
  presenceStats: 15,
  unknownEdge: 16,

  // owner to edge
  publication: 24,
  join: 25,
  leave: 26,
  lost: 27,
} as const;

export const RECORD_KINDS = 32;
