import type { ChannelOptions } from '../config.js';
import { formatDuration } from '../duration.js';
import type { Report } from './report.js';

const DEFAULT_STREAM_TTL_MS = 60_000;

export const isMapType = (type: ChannelOptions['subscription_type']): boolean => type.startsWith('map');

export function checkMap(options: ChannelOptions, at: string, report: Report): void {
  const { map, subscription_type: type } = options;
  const here: Report = (key, problem) => report(`${at}.map.${key}`, problem);
  if (isMapType(type) && map.mode === '') here('mode', `must be set when subscription_type is "${type}"`);
  if (map.remove_client_on_unsubscribe && !isMapType(type)) {
    here('remove_client_on_unsubscribe', 'needs a subscription_type of a map');
  }
  if (map.mode === 'persistent' && (type === 'map_clients' || type === 'map_users')) {
    here('mode', `"persistent" is not possible with subscription_type "${type}", whose entries must expire`);
  }
  if (map.client_key !== '') {
    for (const key of ['publish_proxy_enabled', 'remove_proxy_enabled'] as const) {
      if (map[key]) here('client_key', `cannot be used together with map.${key}: the proxy decides the key`);
    }
  }
  checkExpiry(map, here);
  checkStream(map, here);
  checkPageSizes(map, here);
}

function checkExpiry(map: ChannelOptions['map'], report: Report): void {
  if (map.mode === 'persistent' && map.key_ttl !== 0) report('key_ttl', 'must not be set in mode "persistent"');
  if (map.mode !== 'ephemeral' && map.mode !== 'recoverable') return;
  if (map.key_ttl === 0) report('key_ttl', `must be set in mode "${map.mode}"`);
  if (map.key_ttl < 0) report('key_ttl', 'must not be negative');
}

function checkStream(map: ChannelOptions['map'], report: Report): void {
  const keys = ['stream_size', 'stream_ttl', 'meta_ttl'] as const;
  if (map.mode === 'ephemeral') {
    for (const key of keys) if (map[key] !== 0) report(key, 'must not be set in mode "ephemeral"');
  }
  if (map.mode !== 'recoverable' && map.mode !== 'persistent') return;
  for (const key of keys) if (map[key] < 0) report(key, 'must not be negative');
  const streamTtl = map.stream_ttl || DEFAULT_STREAM_TTL_MS;
  if (map.meta_ttl > 0 && map.meta_ttl < streamTtl) {
    report('meta_ttl', `${formatDuration(map.meta_ttl)} is shorter than stream_ttl, ${formatDuration(streamTtl)}`);
  }
}

/** 0 means the default of each, which always fits. */
function checkPageSizes(map: ChannelOptions['map'], report: Report): void {
  const { min_page_size: min, default_page_size: byDefault, max_page_size: max } = map;
  if (min > 0 && max > 0 && min > max) report('min_page_size', `${min} is more than max_page_size, ${max}`);
  if (byDefault > 0 && max > 0 && byDefault > max) {
    report('default_page_size', `${byDefault} is more than max_page_size, ${max}`);
  }
  if (byDefault > 0 && min > 0 && byDefault < min) {
    report('default_page_size', `${byDefault} is less than min_page_size, ${min}`);
  }
}
