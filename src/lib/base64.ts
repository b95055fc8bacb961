/** Standard alphabet with padding, as backends send it. Node's own decoder skips over whatever it does not know. */
const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;

/** Line breaks are allowed anywhere. @returns undefined if `text` is not base64. */
export function decodeBase64(text: string): Buffer | undefined {
  const joined = text.includes('\n') || text.includes('\r') ? text.replaceAll(/[\r\n]/g, '') : text;
  return joined.length % 4 === 0 && BASE64.test(joined) ? Buffer.from(joined, 'base64') : undefined;
}
