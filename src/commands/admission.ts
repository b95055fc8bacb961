import type { Client, Refusal } from '../clients/client.js';
import { disconnects } from '../protocol/codes.js';
import type { CommandDeps } from './deps.js';

/**
 * Wait for the user's home to let the client in; with `single_connection`, see those out who were there before: on this node
 * as its home knows, on others as presence in the personal channel shows.
 * @returns why not, null if it may enter; undefined if nothing limits this user's connections.
 */
export function admit(client: Client, deps: CommandDeps): Promise<Refusal | null> | undefined {
  return deps.homes.counts(client) ? decide(client, deps) : undefined;
}

async function decide(client: Client, deps: CommandDeps): Promise<Refusal | null> {
  const { homes, control } = deps;
  try {
    // Before the home is asked: whoever is seen then has come earlier. So of two that come at once, on whatever nodes, not
    // each sees the other out.
    const seen = homes.singleConnection ? await present(client.user, deps) : [];
    if (client.ending) return null;
    const { admitted, others } = await homes.enter(client);
    if (!admitted) return disconnects.connectionLimit;
    // One by one, by id: a connection that comes after this one must not be hit.
    await Promise.all(
      [...new Set([...others, ...seen])].map((other) =>
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

/** Ids of the clients in the user's personal channel. */
function present(user: string, { access, channels, config }: CommandDeps): Promise<string[]> {
  const { personal_channel_namespace: namespace } = config.client.subscribe_to_user_personal_channel;
  return new Promise((resolve, reject) => {
    channels.presence(access.rules.personalChannel(user, namespace), (error, clients) => {
      if (error !== null) reject(error);
      else resolve(Object.keys(clients!));
    });
  });
}

/** Questions between threads fail with a ClientError. */
function isRefusal(error: unknown): error is Refusal {
  return typeof error === 'object' && error !== null && 'code' in error && typeof error.code === 'number';
}
