/** Members without connections: they note what they are given. */
import { Member, type Subscriber } from '../../src/channels/channels.js';
import type { EdgeChannel } from '../../src/channels/edge-channel.js';
import type { Flushable } from '../../src/lib/turn.js';
import type { Codec } from '../../src/protocol/codec.js';
import { jsonCodec } from '../../src/protocol/json.js';
import type { Publication } from '../../src/protocol/messages.js';

class TestSubscriber implements Subscriber {
  readonly frames: Buffer[] = [];
  /** Has no other subscription. */
  lone = false;
  sent = 0;
  inappropriates = 0;
  onWrite: () => void = () => {};
  onInappropriate: () => void = () => {};

  constructor(
    readonly codec: Codec,
    readonly unidirectional: boolean,
  ) {}

  ready(): boolean {
    return this.lone;
  }

  send(frame: Uint8Array): void {
    this.sent++;
    this.write(frame);
  }

  write(frame: Uint8Array): void {
    this.frames.push(Buffer.from(frame));
    this.onWrite();
  }

  inappropriate(): void {
    this.inappropriates++;
    this.onInappropriate();
  }
}

export class TestMember extends Member {
  declare readonly subscriber: TestSubscriber;
  insufficient = 0;
  onInsufficient: () => void = () => {};

  constructor(codec: Codec = jsonCodec, channel = 'news', unidirectional = false) {
    super(new TestSubscriber(codec, unidirectional), channel);
  }

  get frames(): Buffer[] {
    return this.subscriber.frames;
  }

  insufficientState(): void {
    this.insufficient++;
    this.onInsufficient();
  }

  /** Stand in a channel without an {@link Edge}. */
  sit(channel: EdgeChannel, positioned = false): this {
    this.seat = { channel, positioned, announced: undefined, delivery: undefined };
    return this;
  }

  /** JSON messages so far, without their wrapping. */
  get pushes(): Record<string, unknown>[] {
    return this.frames
      .flatMap((frame) => frame.toString().split('\n'))
      .map((line) => (JSON.parse(line) as { push: Record<string, unknown> }).push);
  }

  get publications(): { data: unknown; delta?: boolean; offset?: number }[] {
    return this.pushes.flatMap(({ pub }) => (pub === undefined ? [] : [pub as { data: unknown }]));
  }
}

/** A turn that ends when the test says so. */
export class ManualTurn {
  touched: Flushable[] = [];
  touch(item: Flushable): void {
    this.touched.push(item);
  }
  end(): void {
    for (const item of this.touched.splice(0)) item.flush();
  }
}

export function publication(data: string, more: Partial<Publication> = {}): Publication {
  return { offset: 0, data: Buffer.from(data), ...more };
}

/** A codec that counts what it is asked for. */
export function counting(codec: Codec) {
  const counts = { publications: 0, pushes: 0, joins: 0 };
  const counted: Codec = {
    ...codec,
    encodePublication: (...args) => {
      counts.publications++;
      return codec.encodePublication(...args);
    },
    encodePush: (...args) => {
      counts.pushes++;
      return codec.encodePush(...args);
    },
    join: (messages) => {
      counts.joins++;
      return codec.join(messages);
    },
  };
  return { codec: counted, counts };
}
