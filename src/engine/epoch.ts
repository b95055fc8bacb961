import { randomFillSync } from 'node:crypto';

const LETTERS = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ';
const EPOCH_LETTERS = 8;
/** Bytes from here on are thrown away: they would make the first letters of the alphabet likelier. */
const UNBIASED_BELOW = 256 - (256 % LETTERS.length);

/** Asking the system for randomness costs more than the letters do, so it is asked for many epochs at once. */
const pool = Buffer.alloc(4096);
let used = pool.length;

function randomByte(): number {
  if (used === pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  return pool[used++]!;
}

/** A new stream's name for one life of its offsets: eight random letters. */
export function randomEpoch(): string {
  let epoch = '';
  while (epoch.length < EPOCH_LETTERS) {
    const byte = randomByte();
    if (byte < UNBIASED_BELOW) epoch += LETTERS[byte % LETTERS.length];
  }
  return epoch;
}
