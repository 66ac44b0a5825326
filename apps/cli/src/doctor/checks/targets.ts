import type { Config } from '@comfy-fleet/config';
import { createSafeHttp } from '@comfy-fleet/safe-http';
import { type Finding, reportOf } from '../finding.js';

/** Where webhooks and the fetching of pictures may go besides the public net. */
export function checkTargets({ webhooks, images }: Config): Finding[] {
  return [...checkList('WEBHOOK_ALLOW', webhooks.allow), ...checkList('IMAGE_URL_ALLOW', images.fetchAllow)];
}

function checkList(setting: string, allow: readonly string[]): Finding[] {
  const { ok, fail } = reportOf('targets');
  try {
    createSafeHttp({ allow });
  } catch (error) {
    const words = error instanceof Error ? error.message : String(error);
    return [fail(`${setting}: ${words}`, `write hosts, host:port, addresses or CIDR blocks into ${setting}`)];
  }
  if (allow.length === 0) return [];
  return [ok(`${setting} lets through ${allow.join(', ')} besides public addresses`)];
}
