import type { Client, Refusal } from '../clients/client.js';
import type { Control } from '../clients/control.js';
import type { Admission } from '../clients/homes.js';
import { disconnects } from '../protocol/codes.js';

/**
 * Wait for the user's home to let the client in; with `single_connection`, see those out who were there before.
 * @returns why not, null if it may enter.
 */
export async function admit(client: Client, asked: Promise<Admission>, control: Control): Promise<Refusal | null> {
  try {
    const { admitted, others } = await asked;
    if (!admitted) return disconnects.connectionLimit;
    // One by one, by id: a connection that comes after this one must not be hit.
    await Promise.all(
      others.map((other) =>
        control.disconnect({
          user: client.user,
          client: other,
          session: '',
          whitelist: [],
          disconnect: disconnects.connectionLimit,
        }),
      ),
    );
    return null;
  } catch (error) {
    if (isRefusal(error)) return error;
    throw error;
  }
}

/** Questions between threads fail with a ClientError. */
function isRefusal(error: unknown): error is Refusal {
  return typeof error === 'object' && error !== null && 'code' in error && typeof error.code === 'number';
}
