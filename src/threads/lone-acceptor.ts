/**
 * Where there is one worker it accepts connections by itself: handing each over from another thread, which has to be woken
 * for that and then wakes the worker, takes a fifth of what a connection costs.
 *
 * Both ends are here. Main still says where and when, as it does to its own acceptors.
 */
import type { Asks } from '../mesh/asks.js';
import type { Acceptor } from '../transport/acceptor.js';
import type { ChildApps } from '../transport/child.js';

const WORKER = 0;

interface Listen {
  readonly listener: number;
  readonly host: string;
  readonly port: number;
}

/** Errors between threads are codes, and this one has a text. */
type Listening = { readonly port: number } | { readonly error: string };

/**
 * Main's end.
 * @param listener  which of the worker's apps: one without TLS, which stays the same
 * @param failed  a worker that took the place of another cannot listen
 */
export function loneAcceptor(asks: Pick<Asks, 'ask'>, listener: number, failed: (reason: string) => void): Acceptor {
  let at: Listen | undefined;
  const ask = (listen: Listen) => asks.ask(WORKER, 'listen', listen) as Promise<Listening>;

  async function listenAgain(listen: Listen): Promise<void> {
    const answer = await ask(listen);
    if ('error' in answer) failed(`a new worker cannot listen: ${answer.error}`);
  }

  return {
    async listen(host, port) {
      const answer = await ask({ listener, host, port });
      if ('error' in answer) throw new Error(answer.error);
      at = { listener, host, port: answer.port };
      return answer.port;
    },
    addChild() {
      // One that fails or hangs before it has answered is followed by another, or comes back.
      if (at !== undefined) listenAgain(at).catch(() => {});
    },
    // What has failed closes everything, and one that hangs does not hear: what comes waits with the rest.
    removeChild() {},
    close() {
      at = undefined;
      // When it is too busy to hear of it, its connections are closed soon anyway.
      asks.ask(WORKER, 'deafen', null).catch(() => {});
    },
  };
}

/** The worker's end. */
export function answerAcceptor(asks: Pick<Asks, 'answer'>, apps: ChildApps): void {
  asks.answer('listen', async (body): Promise<Listening> => {
    const { listener, host, port } = body as Listen;
    try {
      return { port: await apps.listen(listener, host, port) };
    } catch (error) {
      return { error: (error as Error).message };
    }
  });
  asks.answer('deafen', () => apps.stopListening());
}
