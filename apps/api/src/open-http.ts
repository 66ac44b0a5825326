import { ConfigError } from '@comfy-fleet/config';
import { createSafeHttp, type SafeHttp } from '@comfy-fleet/safe-http';

/** HTTP to public hosts and to those that the setting names. Throws a ConfigError for an entry that names none. */
export function openHttp(setting: string, allow: readonly string[]): SafeHttp {
  try {
    return createSafeHttp({ allow });
  } catch (error) {
    throw new ConfigError([`${setting}: ${error instanceof Error ? error.message : String(error)}`]);
  }
}
