import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { jsonCodec, protobufCodec } from '../../src/protocol/codecs.js';
import { eventFraming, type Framing, streamFraming } from '../../src/transport/framing.js';

const SEED = 20_261_124;
const wrapped = (framing: Framing, frame: string | Uint8Array): string =>
  Buffer.from(framing.wrap(Buffer.from(frame))).toString();

describe('HTTP streaming', () => {
  it('ends every JSON message with a newline', () => {
    expect(wrapped(streamFraming('json'), '{"id":1}')).toBe('{"id":1}\n');
    expect(wrapped(streamFraming('json'), '{"id":1}\n{}')).toBe('{"id":1}\n{}\n');
  });

  it('leaves Protobuf as it is: lengths are in front', () => {
    const frame = protobufCodec.encodeReply({ id: 1, error: { code: 100, message: 'x', temporary: false } });
    expect(streamFraming('protobuf').wrap(frame)).toBe(frame);
  });

  it('has a filler that changes no message', () => {
    const { filler, wrap } = streamFraming('json');
    const body = Buffer.concat([wrap(jsonCodec.ping), filler, filler, wrap(Buffer.from('{"a":1}')), filler]);
    const messages = body.toString().trim().split('\n');
    expect(messages.map((message) => JSON.parse(message) as unknown)).toEqual([{}, { a: 1 }]);
    // Not the empty message, which is a ping.
    expect(Buffer.from(streamFraming('protobuf').filler).toString('hex')).toBe('022200');
  });
});

describe('Server-Sent Events', () => {
  /** As WHATWG HTML 9.2.6 has it. */
  function eventsIn(body: string): string[] {
    const events: string[] = [];
    let data: string[] = [];
    for (const line of body.split(/\r\n|\n|\r/)) {
      if (line === '') {
        if (data.length > 0) events.push(data.join('\n'));
        data = [];
      } else if (line.startsWith('data:')) data.push(line.slice(5).replace(/^ /, ''));
      else if (!line.startsWith(':')) throw new Error(`unexpected line: ${line}`);
    }
    return events;
  }

  it('have one event for each message', () => {
    expect(wrapped(eventFraming, '{}')).toBe('data: {}\n\n');
    expect(wrapped(eventFraming, '{"a":1}\n{"b":2}')).toBe('data: {"a":1}\n\ndata: {"b":2}\n\n');
  });

  it('do not end at a carriage return inside a payload', () => {
    expect(wrapped(eventFraming, '{"a":\r1,\r\r"b":"\\r"}')).toBe('data: {"a": 1,  "b":"\\r"}\n\n');
  });

  it('are read back as the messages they carry, whatever these are', () => {
    const message = fc.json().map((text) => text.replaceAll('\n', ''));
    fc.assert(
      fc.property(fc.array(message, { minLength: 1, maxLength: 5 }), (messages) => {
        const frame = jsonCodec.join(messages.map((text) => Buffer.from(text)));
        const body = `${eventFraming.preamble}${eventFraming.filler}${Buffer.from(eventFraming.wrap(frame))}`;
        expect(eventsIn(body)).toEqual(messages);
      }),
      { seed: SEED },
    );
  });
});

it('a frame for many connections is wrapped once', () => {
  for (const { wrap } of [streamFraming('json'), eventFraming]) {
    const frame = Buffer.from('{}');
    const first = wrap(frame);
    expect(wrap(frame)).toBe(first);
    expect(wrap(Buffer.from('{}'))).not.toBe(first);
  }
});
