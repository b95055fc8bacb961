/** Clients that only hear, by what a platform has without any library. */
import { Agent, EventSource, fetch } from 'undici';
import { onTestFinished } from 'vitest';
import { WebSocket } from 'ws';
import type { TestServer } from './server.js';
import { until } from './until.js';

// biome-ignore lint/suspicious/noExplicitAny: pushes have any shape
export type Push = any;

export type UniTransport = 'uni_websocket' | 'uni_sse' | 'uni_http_stream';
export const UNI_TRANSPORTS: readonly UniTransport[] = ['uni_websocket', 'uni_sse', 'uni_http_stream'];

/** What one connection has heard. Ends with the test. */
export class Listener {
  readonly pushes: Push[] = [];
  /** The connection is over. */
  ended = false;
  stop: () => void = () => {};

  heard(push: string): void {
    this.pushes.push(JSON.parse(push));
  }

  /** The first push of this kind, so far or later. */
  async push(kind: string, matches: (push: Push) => boolean = () => true): Promise<Push> {
    const fits = (push: Push): boolean => kind in push && matches(push);
    await until(`a push of ${kind}`, () => this.pushes.some(fits));
    return this.pushes.find(fits);
  }

  /** Publications in a channel, those that came with the connect push first. */
  publications(channel: string): { data: Push; offset: number }[] {
    return this.pushes.flatMap(({ connect, pub, ...push }) => {
      if (connect !== undefined) return connect.subs?.[channel]?.publications ?? [];
      return pub !== undefined && push.channel === channel ? [pub] : [];
    });
  }
}

/** Connect, and wait for the connect push. */
export async function listen(server: TestServer, transport: UniTransport, request: object = {}): Promise<Listener> {
  const listener = begin(server, transport, request);
  await listener.push('connect');
  return listener;
}

/** Connect. Each on a TCP connection of its own, so that those in turn are on all workers. */
export function begin(
  server: TestServer,
  transport: UniTransport,
  request: object = {},
  headers: Record<string, string> = {},
): Listener {
  const listener = new Listener();
  onTestFinished(() => listener.stop());
  const body = JSON.stringify(request);
  const url = `${server.http}/connection/${transport}`;
  const how = { headers, ca: server.ca };
  if (transport === 'uni_websocket') overWebSocket(listener, url.replace(/^http/, 'ws'), body, how);
  else if (transport === 'uni_sse') byEvents(listener, `${url}?cf_connect=${encodeURIComponent(body)}`, how);
  else void byLines(listener, url, body, how);
  return listener;
}

interface How {
  readonly headers: Record<string, string>;
  /** Of a server with TLS. */
  readonly ca: string | undefined;
}

function overWebSocket(listener: Listener, url: string, body: string, how: How): void {
  const socket = new WebSocket(url, how);
  listener.stop = () => socket.terminate();
  socket.on('open', () => socket.send(body));
  socket.on('message', (data) => listener.heard(data.toString()));
  socket.on('close', () => {
    listener.ended = true;
  });
}

/** An EventSource connects again by itself: here it is over when it would. */
function byEvents(listener: Listener, url: string, { headers, ca }: How): void {
  const dispatcher = new Agent({ pipelining: 0, connect: { ca } }).compose(
    (dispatch) => (options, handler) =>
      dispatch({ ...options, headers: { ...(options.headers as Record<string, string>), ...headers } }, handler),
  );
  const source = new EventSource(url, { node: { dispatcher } });
  listener.stop = () => {
    source.close();
    void dispatcher.destroy();
  };
  source.onmessage = ({ data }) => listener.heard(data as string);
  source.onerror = () => {
    listener.ended = true;
    listener.stop();
  };
}

async function byLines(listener: Listener, url: string, body: string, { headers, ca }: How): Promise<void> {
  const dispatcher = new Agent({ pipelining: 0, connect: { ca } });
  listener.stop = () => void dispatcher.destroy();
  try {
    const response = await fetch(url, { method: 'POST', body, headers, dispatcher });
    let text = '';
    for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
      const lines = (text + chunk).split('\n');
      text = lines.pop()!;
      for (const line of lines) listener.heard(line);
    }
  } catch {
    // Stopped, or cut by the server.
  }
  listener.ended = true;
  listener.stop();
}
