import type { RedisSettings } from '@comfy-fleet/config';

/** The settings of one Redis without anything special, but for what is given. */
export function redisSettings(given: Partial<RedisSettings> & Pick<RedisSettings, 'url' | 'prefix'>): RedisSettings {
  return { timeoutMs: 800, sentinel: undefined, cluster: undefined, tls: undefined, wait: undefined, ...given };
}
