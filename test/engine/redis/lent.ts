/** A message as the reader lends it: in the midst of other bytes. */
export function lent(payload: Uint8Array): [bytes: Buffer, start: number, end: number] {
  const head = Buffer.from('*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$0\r\n');
  const bytes = Buffer.concat([head, payload, Buffer.from('\r\n*3\r\n')]);
  return [bytes, head.length, head.length + payload.length];
}
