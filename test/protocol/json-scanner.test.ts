import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { TextCache } from '../../src/lib/text-cache.js';
import { isJson, isJsonLine } from '../../src/protocol/is-json.js';
import { Chosen, JsonChoice, JsonFields } from '../../src/protocol/json-fields.js';
import { JsonReader, MAX_JSON_READ_LEVELS, readObject } from '../../src/protocol/json-reader.js';
import { JsonError, MAX_JSON_DEPTH_LEVELS } from '../../src/protocol/json-scanner.js';

function parses(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

const reader = (text: string) => new JsonReader(Buffer.from(text));

describe('isJson', () => {
  test('agrees with JSON.parse on values, spaced in any way', () => {
    fc.assert(
      fc.property(fc.json(), fc.constantFrom(undefined, 1, '\t', '\r\n'), (text, space) => {
        const spaced = JSON.stringify(JSON.parse(text), null, space);
        expect(isJson(Buffer.from(text))).toBe(true);
        expect(isJson(Buffer.from(` ${spaced}\n`))).toBe(true);
      }),
      { seed: 1, numRuns: 1000 },
    );
  });

  test('agrees with JSON.parse on damaged documents', () => {
    const damage = fc.tuple(fc.nat(), fc.nat(2), fc.constantFrom(...'{}[]",:\\u0e+-.1 \ntfn\u0001é'));
    let valid = 0;
    let invalid = 0;
    fc.assert(
      fc.property(fc.json({ maxDepth: 3 }), fc.array(damage, { minLength: 1, maxLength: 3 }), (json, damages) => {
        let text = json;
        for (const [at, cut, insert] of damages) {
          const pos = at % (text.length + 1);
          text = text.slice(0, pos) + insert + text.slice(pos + cut);
        }
        // Bytes cannot hold half a surrogate pair.
        text = text.toWellFormed();
        const expected = parses(text);
        if (expected) valid++;
        else invalid++;
        expect(isJson(Buffer.from(text)), text).toBe(expected);
      }),
      { seed: 1, numRuns: 10_000 },
    );
    expect(valid).toBeGreaterThan(500);
    expect(invalid).toBeGreaterThan(500);
  });

  test.each([
    ['', '" unterminated', '"a', '"\\', '"\\u12', '"\\u12g4"', '"\\x"', '"\u0001"', "'a'"],
    ['-', '+1', '01', '-01', '1.', '.1', '1e', '1e+', '1.e1', '0x1', 'NaN', 'Infinity', '1 2'],
    ['{', '{"a"', '{"a":', '{"a":1', '{"a":1,', '{"a":1,}', '{a:1}', '{"a" 1}', '{"a":1 "b":2}', '{,}', '{]'],
    ['[', '[1', '[1,', '[1,]', '[,1]', '[1 2]', '[}', ']', 'tru', 'nulll', 'True', '[1]]', '\ufeff1'],
  ])('refuses %s and the like', (...texts) => {
    for (const text of texts) expect(isJson(Buffer.from(text)), text).toBe(false);
  });

  test('refuses text that is not UTF-8', () => {
    expect(isJson(Buffer.from([0x22, 0xff, 0x22]))).toBe(false);
    expect(isJson(Buffer.from([0x22, 0xc3, 0x22]))).toBe(false);
  });

  test('goes 10,000 levels deep and no deeper, without the call stack', () => {
    const nest = (levels: number) => Buffer.from('['.repeat(levels) + ']'.repeat(levels));
    expect(isJson(nest(MAX_JSON_DEPTH_LEVELS))).toBe(true);
    expect(isJson(nest(MAX_JSON_DEPTH_LEVELS + 2))).toBe(false);
    expect(isJson(Buffer.alloc(1 << 20, '['))).toBe(false);
  });
});

interface Sample {
  id: number;
  name: string;
  isOn: boolean;
  data?: Buffer | undefined;
  list?: number[] | undefined;
  map?: Record<string, string> | undefined;
}

const fields = new JsonFields<Sample>({
  id: (r) => r.uint32(),
  name: (r) => r.string(),
  isOn: (r) => r.boolean(),
  data: (r) => r.raw(),
  list: (r) => r.array((item) => item.int64()),
  map: (r) => r.record((value) => value.string()),
});

const sample = (text: string): Sample => readObject(Buffer.from(text), { id: 0, name: '', isOn: false }, fields);

describe('isJsonLine', () => {
  test('is about a range, and about line feeds outside of strings', () => {
    const of = (text: string) => isJsonLine(Buffer.from(`"\n${text}"1`), 2, 2 + Buffer.byteLength(text));
    for (const text of ['1', '"é"', '{"a":"0123456789abcdef"}', ' [1,\t2] ', '"\\n"'])
      expect(of(text), text).toBe(true);
    for (const text of ['', '1\n', '[1,\n2]', '"', '"0123456789', '"a\\', 'tru', '1 2'])
      expect(of(text), text).toBe(false);
    expect(isJsonLine(Buffer.from([0xff, 0x22, 0xc3, 0xa9, 0x22, 0xff]), 1, 5)).toBe(true);
    expect(isJsonLine(Buffer.from([0xff, 0x22, 0xc3, 0x22, 0xa9, 0xff]), 1, 4)).toBe(false);
  });

  test('finds what is wrong at any place of a long string', () => {
    for (let at = 0; at < 40; at++) {
      const text = 'x'.repeat(40);
      const put = (middle: string) => Buffer.from(`"${text.slice(0, at)}${middle}${text.slice(at)}"`);
      expect(isJson(put('\\"'))).toBe(true);
      for (const wrong of ['"', '\u0000', '\n', '\\x']) expect(isJson(put(wrong)), `${at} ${wrong}`).toBe(false);
    }
  });
});

describe('JsonReader', () => {
  test('reads fields; payloads stay as they are', () => {
    const got = sample(
      '{ "id" : 7, "name":"n", "is_on":true, "data": { "b" : 1.0, "a":12345678901234567890 } , "list":[1,-2] }',
    );
    expect(got).toEqual({ id: 7, name: 'n', isOn: true, data: expect.anything(), list: [1, -2] });
    expect(got.data!.toString()).toBe('{ "b" : 1.0, "a":12345678901234567890 }');
  });

  test('null leaves zero values, raw keeps it', () => {
    expect(sample('null')).toEqual({ id: 0, name: '', isOn: false });
    const got = sample('{"id":null,"name":null,"is_on":null,"data":null,"list":null,"map":null}');
    expect(got).toEqual({ id: 0, name: '', isOn: false, data: Buffer.from('null'), list: undefined, map: undefined });
  });

  test('keys: unknown ones are skipped, case and escapes do not matter, the last of equal ones wins', () => {
    const got = sample('{"x":{"id":5},"ID":1,"I\\u0064":2,"Is_On":true,"isOn":false,"nam":"a","names":"b"}');
    expect(got).toEqual({ id: 2, name: '', isOn: true });
  });

  test.each([
    '{"id":"1"}',
    '{"id":1.0}',
    '{"id":1e2}',
    '{"id":-1}',
    '{"id":4294967296}',
    '{"id":[1]}',
    '{"name":1}',
    '{"is_on":1}',
    '{"is_on":"true"}',
    '{"list":{}}',
    '{"list":["1"]}',
    '{"map":[]}',
    '{"map":{"a":1}}',
    '{"data":}',
    '[]',
    '1',
    '"a"',
    '',
    '{} {}',
    '{}x',
  ])('refuses %s', (text) => {
    expect(() => sample(text)).toThrow(JsonError);
  });

  test('keys may come in any order, whatever the one before was', () => {
    const parts: readonly [string, Partial<Sample>][] = [
      ['"id":7', { id: 7 }],
      ['"name":"x"', { name: 'x' }],
      ['"is_on":true', { isOn: true }],
      ['"names":1', {}],
      ['"i":1', {}],
    ];
    fc.assert(
      fc.property(fc.shuffledSubarray([...parts]), (some) => {
        const expected = Object.assign({ id: 0, name: '', isOn: false }, ...some.map(([, value]) => value));
        expect(sample(`{${some.map(([text]) => text).join()}}`)).toEqual(expected);
      }),
      { seed: 3, numRuns: 300 },
    );
    expect(sample('{"id":1,"name":"x"}')).toMatchObject({ id: 1, name: 'x' });
    for (const cut of ['{"id":1,"name"', '{"id":1,"nam', '{"id":1,'])
      expect(() => sample(cut)).toThrow('unexpected end');
  });

  test('integers: exact ranges, precision lost only beyond 2^53', () => {
    expect(reader('4294967295').uint32()).toBe(0xffffffff);
    expect(reader('-2147483648').int32()).toBe(-0x80000000);
    expect(() => reader('2147483648').int32()).toThrow(JsonError);
    expect(reader('9007199254740993').uint64()).toBe(2 ** 53);
    expect(reader('18446744073709551615').uint64()).toBe(2 ** 64);
    expect(() => reader('18446744073709551616').uint64()).toThrow(JsonError);
    expect(reader('-9223372036854775808').int64()).toBe(-(2 ** 63));
    expect(() => reader('9223372036854775808').int64()).toThrow(JsonError);
    expect(() => reader('-9223372036854775809').int64()).toThrow(JsonError);
    expect(Object.is(reader('-0').int64(), 0)).toBe(true);
    expect(reader('-1.5e2').number()).toBe(-150);
  });

  test('strings are those of JSON.parse, lone surrogates replaced', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 40 }), (value) => {
        const ascii = JSON.stringify(value).replace(
          /[^\x20-\x7e]/g,
          (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
        );
        expect(reader(JSON.stringify(value)).string()).toBe(value);
        expect(reader(ascii).string()).toBe(value);
      }),
      { seed: 1, numRuns: 500 },
    );
    expect(reader('"\\ud800x\\udc00"').string()).toBe('\ufffdx\ufffd');
    expect(reader('"\\/\\b\\f"').string()).toBe('/\b\f');
  });

  test('free keys cannot reach a prototype', () => {
    const { map } = sample('{"map":{"__proto__":"a","constructor":"b"}}');
    expect(Object.getPrototypeOf(map)).toBe(null);
    expect(Object.entries(map!)).toEqual([
      ['__proto__', 'a'],
      ['constructor', 'b'],
    ]);
  });

  test('reads nest only so far', () => {
    const nested = (r: JsonReader): unknown => r.array(nested);
    const text = (levels: number) => '['.repeat(levels) + ']'.repeat(levels);
    expect(nested(reader(text(MAX_JSON_READ_LEVELS)))).toBeInstanceOf(Array);
    expect(() => nested(reader(text(MAX_JSON_READ_LEVELS + 1)))).toThrow(JsonError);
  });

  test('errors say where', () => {
    expect(() => sample('{"id":x}')).toThrow('unexpected character at byte 6');
    expect(() => sample('{"id":1')).toThrow('unexpected end of JSON');
  });

  test('shared memory is read like any other', () => {
    const text = '{"name":"\\u00e9é","data":[1]}';
    const shared = Buffer.from(new SharedArrayBuffer(Buffer.byteLength(text)));
    shared.write(text);
    const got = readObject(shared, { id: 0, name: '', isOn: false } as Sample, fields);
    expect(got.name).toBe('éé');
    expect(got.data!.buffer).toBe(shared.buffer);
  });
});

describe('a choice', () => {
  const choice = new JsonChoice<number>({
    first: (r) => (r.isNull() ? undefined : r.number()),
    second: (r) => (r.isNull() ? undefined : r.number()),
  });
  const chosen = (text: string) => {
    const { field, value } = reader(text).object(new Chosen<number>(), choice)!;
    return [field, value];
  };

  test.each<[string, number, number | undefined]>([
    ['{}', -1, undefined],
    ['{"third":1}', -1, undefined],
    ['{"first":null}', -1, undefined],
    ['{"first":1}', 0, 1],
    ['{"second":2}', 1, 2],
    ['{"second":2,"first":1}', 0, 1],
    ['{"first":1,"second":2}', 0, 1],
    ['{"first":null,"second":2}', 1, 2],
    ['{"second":2,"first":null}', 1, 2],
    ['{"first":1,"second":2,"first":null}', 1, 2],
    ['{"first":1,"first":null}', -1, undefined],
    ['{"first":1,"first":null,"second":2}', 1, 2],
    ['{"second":2,"second":3}', 1, 3],
  ])('of %s', (text, field, value) => {
    expect(chosen(text)).toEqual([field, value]);
  });
});

describe('payloads', () => {
  test('are on one line or not, whatever stands around them', () => {
    const text = '[1,\n {"a": 1} , {"a":\n1},\n\n2,"\\n",[\n]]';
    const payloads = reader(text).array((r) => r.payload())!;
    expect(payloads.map(({ bytes, isJsonLine }) => [Buffer.from(bytes).toString(), isJsonLine])).toEqual([
      ['1', true],
      ['{"a": 1}', true],
      ['{"a":\n1}', false],
      ['2', true],
      ['"\\n"', true],
      ['[\n]', false],
    ]);
  });
});

test('texts from a cache are what they are without', () => {
  const texts = ['"a"', '"a"', 'null', '"\\u0061"', '"é"', '"\\ud800"', `"${'x'.repeat(70)}"`, '""'];
  const cache = new TextCache();
  for (const text of [...texts, ...texts]) expect(reader(text).cachedString(cache), text).toBe(reader(text).string());
});
