/**
 * Start `count` pieces of work in their order, waiting where they must not overlap.
 *
 * @param maxInFlight  pieces started and not finished, at most.
 * @param mayOverlap  whether piece `i` may start while those before it are still in flight.
 * @param start  starts piece `i`, which calls `finished` once, possibly before `start` returns. Must not throw.
 * @param done  called once, when all are finished.
 */
export function startInOrder(
  count: number,
  maxInFlight: number,
  mayOverlap: (i: number) => boolean,
  start: (i: number, finished: () => void) => void,
  done: () => void,
): void {
  let next = 0;
  let inFlight = 0;
  let starting = false;
  const finished = (): void => {
    inFlight--;
    advance();
  };
  // Work that finishes at once comes back here from inside the loop: the loop goes on, the stack does not grow.
  const advance = (): void => {
    if (starting) return;
    starting = true;
    while (next < count && (inFlight === 0 || (inFlight < maxInFlight && mayOverlap(next)))) {
      inFlight++;
      start(next++, finished);
    }
    starting = false;
    if (next === count && inFlight === 0) done();
  };
  advance();
}
