import { createHash, timingSafeEqual } from 'node:crypto';

/**
 * Compare a secret with what a stranger claims it to be, in a time that depends on the length of `given` alone.
 * Digests are compared because timingSafeEqual needs equal lengths, and a length check would tell the secret's length.
 */
export function secretEquals(secret: string, given: string): boolean {
  return timingSafeEqual(digest(secret), digest(given));
}

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
