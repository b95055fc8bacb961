import type { ChannelOptions, Config } from '../config.js';
import { formatDuration } from '../duration.js';
import { checkMap } from './map.js';
import { checkProxyUse, checkStreamProxy, DEFAULT_PROXY } from './proxy.js';
import { checkNames, checkRegex, NAME, type Report } from './report.js';

export function checkChannels(config: Config, report: Report): void {
  const { without_namespace, namespaces } = config.channel;
  checkNames(namespaces, 'channel.namespaces', NAME, report);
  checkOptions(without_namespace, 'channel.without_namespace', config, report);
  for (const namespace of namespaces) {
    checkOptions(namespace, `channel.namespaces[${JSON.stringify(namespace.name)}]`, config, report);
  }
  checkPersonalChannel(config, report);
}

function checkOptions(options: ChannelOptions, at: string, config: Config, report: Report): void {
  checkHistory(options, at, config, report);
  checkRegex(options.channel_regex, `${at}.channel_regex`, report);
  checkChannelProxies(options, at, config, report);
  checkMap(options, at, report);
  checkPresencePrefixes(options, at, config, report);
  if (options.subscription_type === 'shared_poll') checkSharedPoll(options, at, config, report);
}

function checkHistory(options: ChannelOptions, at: string, config: Config, report: Report): void {
  const { history_size, history_ttl } = options;
  const both = history_size > 0 && history_ttl !== 0;
  if (history_size > 0 !== (history_ttl !== 0)) {
    report(at, 'history needs both history_size and history_ttl; set both or neither');
  }
  const metaTtl = options.history_meta_ttl || config.channel.history_meta_ttl;
  if (metaTtl < history_ttl) {
    const [ttl, meta] = [history_ttl, metaTtl].map(formatDuration);
    report(`${at}.history_ttl`, `${ttl} is longer than history_meta_ttl, ${meta}; positions must outlive publications`);
  }
  if (options.force_recovery && !both) report(`${at}.force_recovery`, 'needs history_size and history_ttl');
  if (options.auto_cache_recover && !(options.force_recovery && options.force_recovery_mode === 'cache')) {
    report(`${at}.auto_cache_recover`, 'needs force_recovery and force_recovery_mode "cache"');
  }
}

/** Prefix of the options of a channel proxy, and the event it is asked about. */
const CHANNEL_PROXIES = [
  ['subscribe_proxy', 'subscribe'],
  ['publish_proxy', 'publish'],
  ['sub_refresh_proxy', 'sub_refresh'],
  ['subscribe_stream_proxy', 'subscribe_stream'],
] as const;
const MAP_PROXIES = [
  ['publish_proxy', 'map_publish'],
  ['remove_proxy', 'map_remove'],
] as const;

function checkChannelProxies(options: ChannelOptions, at: string, config: Config, report: Report): void {
  const { proxy } = config.channel;
  const use = (at: string, name: string, enabled: boolean, event: keyof typeof proxy) =>
    checkProxyUse({ at, name, enabled, event: proxy[event], eventAt: `channel.proxy.${event}` }, config, report);
  for (const [key, event] of CHANNEL_PROXIES) {
    use(`${at}.${key}_name`, options[`${key}_name`], options[`${key}_enabled`], event);
  }
  for (const [key, event] of MAP_PROXIES) {
    use(`${at}.map.${key}_name`, options.map[`${key}_name`], options.map[`${key}_enabled`], event);
  }
  if (options.subscribe_stream_proxy_enabled) checkStreamProxy(options.subscribe_stream_proxy_name, config, report);
  const others = ['subscribe_proxy_enabled', 'publish_proxy_enabled', 'sub_refresh_proxy_enabled'] as const;
  const other = others.find((key) => options[key]);
  if (options.subscribe_stream_proxy_enabled && other) {
    report(`${at}.subscribe_stream_proxy_enabled`, `cannot be used together with ${other}`);
  }
}

function checkSharedPoll(options: ChannelOptions, at: string, config: Config, report: Report): void {
  if (config.shared_poll.hmac_secret_key === '') {
    report('shared_poll.hmac_secret_key', `must be set, because ${at} is of type shared_poll`);
  }
  const { proxy_name, publish_enabled, mode } = options.shared_poll;
  checkProxyUse(
    {
      at: `${at}.shared_poll.proxy_name`,
      name: proxy_name || DEFAULT_PROXY,
      enabled: true,
      event: config.channel.proxy.shared_poll_refresh,
      eventAt: 'channel.proxy.shared_poll_refresh',
    },
    config,
    report,
  );
  if (publish_enabled && mode !== 'versioned') report(`${at}.shared_poll.publish_enabled`, 'needs mode "versioned"');
}

/** A prefix must lead to channels of the matching type, or presence would be lost when it is published. */
function checkPresencePrefixes(options: ChannelOptions, at: string, config: Config, report: Report): void {
  const { namespaces, without_namespace, namespace_boundary } = config.channel;
  for (const type of ['map_clients', 'map_users'] as const) {
    const key = `${type}_presence_channel_prefix` as const;
    const prefix = options[key];
    if (prefix === '') continue;
    const end = namespace_boundary === '' ? -1 : prefix.indexOf(namespace_boundary);
    const name = prefix.slice(0, Math.max(end, 0));
    const target = end < 0 ? without_namespace : namespaces.find((namespace) => namespace.name === name);
    const shown = end < 0 ? 'channel.without_namespace' : `the namespace "${name}"`;
    if (target === undefined)
      report(`${at}.${key}`, `${JSON.stringify(prefix)} leads to ${shown}, which does not exist`);
    else if (target.subscription_type !== type) {
      report(`${at}.${key}`, `${JSON.stringify(prefix)} leads to ${shown}, whose subscription_type is not "${type}"`);
    }
  }
}

function checkPersonalChannel(config: Config, report: Report): void {
  const {
    enabled,
    personal_channel_namespace: name,
    single_connection,
  } = config.client.subscribe_to_user_personal_channel;
  if (!enabled) return;
  const at = 'client.subscribe_to_user_personal_channel';
  const { without_namespace, namespaces } = config.channel;
  const options = name === '' ? without_namespace : namespaces.find((namespace) => namespace.name === name);
  if (options === undefined) report(`${at}.personal_channel_namespace`, `there is no namespace "${name}"`);
  else if (single_connection && !options.presence) {
    const where = name === '' ? 'channel.without_namespace' : `the namespace "${name}"`;
    report(`${at}.single_connection`, `needs presence in ${where}`);
  }
}
