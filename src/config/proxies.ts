import { DEFAULT_PROXY } from './check/proxy.js';
import type { ChannelOptions, Config, ProxyConfig } from './config.js';

/** What the application can be asked about. */
export type ProxyEvent = 'connect' | 'refresh' | 'subscribe' | 'publish' | 'sub_refresh' | 'subscribe_stream' | 'rpc';

export interface UsedProxy {
  readonly event: ProxyEvent;
  /** As `*_proxy_name` says; {@link DEFAULT_PROXY} is the event's own. */
  readonly name: string;
  /** Where its options are in the configuration. */
  readonly at: string;
  /** The same object wherever the same proxy is used. */
  readonly options: ProxyConfig;
}

const CHANNEL_EVENTS = ['subscribe', 'publish', 'sub_refresh', 'subscribe_stream'] as const;

/** The proxies that something is switched on for, each once per event. */
export function usedProxies(config: Config): UsedProxy[] {
  const used = new Map<string, UsedProxy>();
  const add = (event: ProxyEvent, name: string, own: ProxyConfig, ownAt: string): void => {
    const named = config.proxies.find((proxy) => proxy.name === name);
    if (name === DEFAULT_PROXY) used.set(`${event} ${name}`, { event, name, at: ownAt, options: own });
    else if (named !== undefined) {
      used.set(`${event} ${name}`, { event, name, at: `proxies[${JSON.stringify(name)}]`, options: named });
    }
  };
  const { client, channel, rpc } = config;
  for (const event of ['connect', 'refresh'] as const) {
    const own = client.proxy[event];
    if (own.enabled) add(event, DEFAULT_PROXY, own, `client.proxy.${event}`);
  }
  for (const options of [channel.without_namespace, ...channel.namespaces] satisfies ChannelOptions[]) {
    for (const event of CHANNEL_EVENTS) {
      if (!options[`${event}_proxy_enabled`]) continue;
      add(event, options[`${event}_proxy_name`], channel.proxy[event], `channel.proxy.${event}`);
    }
  }
  for (const options of [rpc.without_namespace, ...rpc.namespaces]) {
    if (options.proxy_enabled) add('rpc', options.proxy_name, rpc.proxy, 'rpc.proxy');
  }
  return [...used.values()];
}
