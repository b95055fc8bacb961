/** Which web pages may connect: the check of `client.allowed_origins`. */
import { globToRegExp } from '../lib/glob.js';

/** An origin is a scheme, a host of at most 253 characters and a port; the bound keeps matching cheap. */
const MAX_ORIGIN_CHARS = 512;

/**
 * A check of Origin headers. Requests without one do not come from a web page, and pass. Case does not matter.
 *
 * @param patterns  `client.allowed_origins`: globs such as `https://*.example.com`. None allows no page at all.
 * @throws {Error} on a malformed pattern
 */
export function compileOrigins(patterns: readonly string[]): (origin: string) => boolean {
  const all = patterns.includes('*');
  const allowed = patterns.map((pattern) => globToRegExp(pattern.toLowerCase()));
  return (origin) => {
    if (origin === '' || all) return true;
    if (origin.length > MAX_ORIGIN_CHARS) return false;
    const lower = origin.toLowerCase();
    return allowed.some((pattern) => pattern.test(lower));
  };
}
