import { TokenError } from '../auth/token.js';

/**
 * Verify a token and go on with what it says, or with why it was refused: at once where that is known at once, later
 * where a key has to be fetched first.
 */
export function verified<T>(verify: () => T | Promise<T>, then: (token: T | TokenError) => void): void | Promise<void> {
  let outcome: T | Promise<T> | TokenError;
  try {
    outcome = verify();
  } catch (error) {
    outcome = asTokenError(error);
  }
  if (outcome instanceof Promise) return outcome.catch(asTokenError).then(then);
  then(outcome);
}

function asTokenError(error: unknown): TokenError {
  if (error instanceof TokenError) return error;
  throw error;
}
