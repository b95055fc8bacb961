/**
 * An order book as an exchange publishes it, whole every time: 20 levels on each side, of which three change from one
 * publication to the next. It follows from the sequence number alone. native-bench/src/book.rs is the same.
 */
const LEVELS = 40;
const CHANGES = 3;
const MIDDLE_CENTS = 6_400_000;

/** Publication n changes levels 3n, 3n + 1 and 3n + 2, mod 40: what a level shows is how often that was it so far. */
function sizeOf(level, sequence) {
  const changes = Math.floor((CHANGES * (sequence + 1) + LEVELS - 1 - level) / LEVELS);
  return ((level * 7919 + changes * 104_729) % 100_000) / 10_000;
}

function side(first, sign, sequence) {
  return Array.from({ length: LEVELS / 2 }, (_, place) => ({
    price: ((MIDDLE_CENTS + sign * 25 * (place + 1)) / 100).toFixed(2),
    size: sizeOf(first + place, sequence).toFixed(4),
  }));
}

/** As `payload` of ./encodings.mjs, with the book instead of padding. */
export const bookPayload = (publisher, sequence, dueUs) => ({
  bench: [publisher, sequence, dueUs],
  symbol: 'BTC-USD',
  bids: side(0, -1, sequence),
  asks: side(LEVELS / 2, 1, sequence),
});
