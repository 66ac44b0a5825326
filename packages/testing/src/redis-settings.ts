import type { RedisSettings } from '@comfy-fleet/config';

/**
 * The settings of one Redis without anything special, but for what is given. A Redis that is there answers, however busy the
 * machine is; whoever takes it away, or changes its primary, says how soon that is to be noticed.
 */
export function redisSettings(given: Partial<RedisSettings> & Pick<RedisSettings, 'url' | 'prefix'>): RedisSettings {
  return { timeoutMs: 30_000, sentinel: undefined, cluster: undefined, tls: undefined, wait: undefined, ...given };
}
