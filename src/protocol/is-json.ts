/** Whether bytes are JSON, and nothing else of them. */
import { JsonError, JsonScanner } from './json-scanner.js';

/** Tells what is JSON. */
class JsonTest extends JsonScanner {
  /** To the end. @throws JsonError */
  isOneLine(): boolean {
    this.skip();
    this.end();
    return !this.severalLines;
  }
}

/** Whether `bytes` is exactly one JSON value in UTF-8, whitespace around it allowed. */
export const isJson = (bytes: Uint8Array): boolean => testJson(bytes, 0, bytes.length) !== undefined;

/** Whether [start, end) is that, and without a line feed. */
export const isJsonLine = (bytes: Uint8Array, start: number, end: number): boolean =>
  testJson(bytes, start, end) === true;

/** @returns whether it is on one line; undefined where it is not JSON. */
function testJson(bytes: Uint8Array, start: number, end: number): boolean | undefined {
  try {
    return new JsonTest(bytes, start, end).isOneLine();
  } catch (error) {
    if (error instanceof JsonError) return undefined;
    throw error;
  }
}
