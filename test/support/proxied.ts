/** A worker without a network, except to an application of its own. */
import { onTestFinished } from 'vitest';
import { Application } from './application.js';
import { type Connection, type Message, type Options, Rig } from './rig.js';
import { until } from './until.js';

type Part = Record<string, unknown>;

/** Options of a worker whose application is at `url`. */
export type MakeOptions = (url: string) => Options;

export const connectProxy = (url: string, more: Part = {}): Part => ({
  proxy: { connect: { enabled: true, endpoint: `${url}/connect`, timeout: '10s', ...more } },
});

/** Options for channels without namespace that leave `event` to the application. */
export const channelProxy =
  (event: 'subscribe' | 'publish' | 'sub_refresh', options: Part = {}, more: Part = {}): MakeOptions =>
  (url) => ({
    // Time stands still until a test moves it by hours.
    client: { ping_interval: '-1s' },
    channel: {
      proxy: { [event]: { endpoint: `${url}/${event}`, timeout: '10s', ...more } },
      without_namespace: { [`${event}_proxy_enabled`]: true, ...options },
    },
  });

export async function proxied(options: MakeOptions): Promise<{ application: Application; rig: Rig }> {
  const application = await Application.start();
  const rig = new Rig(options(application.url));
  onTestFinished(() => rig.proxies.close());
  return { application, rig };
}

/** A command, and what came of it: messages, or none when the connection was closed. */
export async function answered(connection: Connection, command: object): Promise<Message[]> {
  connection.say(command);
  let messages: Message[] = [];
  await until('an answer', () => {
    messages = connection.read();
    return messages.length > 0 || connection.socket.closed !== undefined;
  });
  return messages;
}

export const errorOf = (messages: Message[]): number | undefined => messages[0]?.error?.code;
