/** A value that is at hand, or a promise of one. */
export type Awaitable<T> = T | Promise<T>;

/**
 * Go on with an answer: within the call where it is at hand, so that whoever answers at once costs no microtask.
 * @param failed  also with what `then` throws, if that was not within the call.
 */
export function when<T>(answer: Awaitable<T>, then: (value: T) => void, failed: (thrown: unknown) => void): void {
  if (answer instanceof Promise) answer.then(then).catch(failed);
  else then(answer);
}
