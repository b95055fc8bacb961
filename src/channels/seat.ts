import type { Bytes } from '../protocol/messages.js';
import type { DeliveryClass } from './delivery.js';
import type { EdgeChannel } from './edge-channel.js';

/** How a subscription is shown in presence and in join/leave. */
export interface Announced {
  client: string;
  user: string;
  /** Protobuf ClientInfo. */
  bytes: Bytes;
  presence: boolean;
  joinLeave: boolean;
}

/** A member's place in a channel, from its subscribe call to its end. */
export interface Seat {
  readonly channel: EdgeChannel;
  readonly positioned: boolean;
  readonly announced: Announced | undefined;
  /** Undefined until the owner has acknowledged. */
  delivery: DeliveryClass | undefined;
}
