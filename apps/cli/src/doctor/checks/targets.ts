import type { Config } from '@comfy-fleet/config';
import { createSafeHttp, type SafeHttp } from '@comfy-fleet/safe-http';
import { type Finding, reportOf } from '../finding.js';

/** Where webhooks and the fetching of pictures may go besides the public net. */
export function checkTargets(config: Config): Finding[] {
  return [
    ...checkList('WEBHOOK_ALLOW', config.webhooks.allow, config),
    ...checkList('IMAGE_URL_ALLOW', config.images.fetchAllow, config),
  ];
}

function checkList(setting: string, allow: readonly string[], { access, ownPorts }: Config): Finding[] {
  const { ok, warn, fail } = reportOf('targets');
  let http: SafeHttp;
  try {
    http = createSafeHttp({ allow, ownPorts });
  } catch (error) {
    const words = error instanceof Error ? error.message : String(error);
    return [fail(`${setting}: ${words}`, `write hosts, host:port, addresses or CIDR blocks into ${setting}`)];
  }
  if (allow.length === 0) return [];
  const found = `${setting} lets through ${allow.join(', ')} besides public addresses`;
  const isOpen = ['127.0.0.1', '[::1]', 'localhost'].some((host) => http.refusal(`http://${host}/`) === undefined);
  if (isOpen && access.keysFile !== undefined) {
    const fix = `name each receiver as host:port in ${setting}: this lets every API key send requests to the machine itself`;
    return [warn(`${found}, loopback among them`, fix)];
  }
  return [ok(`${found}, but never the ports ${ownPorts.join(', ')} of private hosts, which our services use`)];
}
