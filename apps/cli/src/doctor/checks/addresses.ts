import type { Config } from '@comfy-fleet/config';
import { createSafeHttp, type SafeHttp } from '@comfy-fleet/safe-http';
import { showUrl } from '../../text.js';
import { type Finding, reportOf } from '../finding.js';

/** Checks PUBLIC_URL, the address of the API that answers and webhooks contain. */
export async function checkPublicUrl({ http, access }: Config, signal: AbortSignal): Promise<Finding[]> {
  const { ok, warn, fail } = reportOf('public-url');
  const { publicUrl } = http;
  if (publicUrl === undefined) {
    return [ok('PUBLIC_URL is not set: URLs in answers and webhooks are relative, such as /images/…')];
  }
  const address = showUrl(publicUrl);
  const plain =
    publicUrl.startsWith('http://') && access.keysFile !== undefined && !isLoopback(publicUrl)
      ? [
          warn(
            `${address} is not encrypted: API keys can be read in transit`,
            'put a TLS proxy in front and begin PUBLIC_URL with https://',
          ),
        ]
      : [];
  const answer = await fetch(`${publicUrl}/livez`, { signal, redirect: 'manual' }).catch(() => undefined);
  signal.throwIfAborted();
  if (answer === undefined) {
    const fix =
      'start the API and its proxy, or correct PUBLIC_URL; callers may be able to reach it even if this machine cannot';
    return [...plain, warn(`nothing answers at ${address} from here`, fix)];
  }
  const body = await answer.json().catch(() => undefined);
  if (answer.status !== 200 || (body as { status?: unknown } | undefined)?.status !== 'ok') {
    const fix = 'correct PUBLIC_URL, or the proxy in front of the API: it must forward every path unchanged';
    return [...plain, fail(`${address}/livez answers ${answer.status}, and not as this API does`, fix)];
  }
  return [...plain, ok(`${address} leads to this API`)];
}

function isLoopback(url: string): boolean {
  return /^(localhost|127\.[\d.]+|\[::1\])$/.test(new URL(url).hostname);
}

/** Checks which private addresses webhooks, image URLs and sources of models may reach. */
export function checkTargets(config: Config): Finding[] {
  return [
    ...checkList('WEBHOOK_ALLOW', config.webhooks.allow, config),
    ...checkList('IMAGE_URL_ALLOW', config.images.fetchAllow, config),
    ...checkList('MODEL_SOURCE_ALLOW', config.models.sourceAllow, config),
  ];
}

function checkList(setting: string, allow: readonly string[], { access, ownPorts }: Config): Finding[] {
  const { ok, warn, fail } = reportOf('targets');
  let http: SafeHttp;
  try {
    http = createSafeHttp({ allow, ownPorts });
  } catch (error) {
    const words = error instanceof Error ? error.message : String(error);
    return [fail(`${setting}: ${words}`, `list hosts, host:port pairs, addresses or CIDR blocks in ${setting}`)];
  }
  if (allow.length === 0) return [];
  const found = `${setting} allows ${allow.join(', ')} in addition to public addresses`;
  const isOpen = ['127.0.0.1', '[::1]', 'localhost'].some((host) => http.refusal(`http://${host}/`) === undefined);
  if (isOpen && access.keysFile !== undefined) {
    const fix = `list each receiver as host:port in ${setting}: now API keys can send requests to this machine itself`;
    return [warn(`${found}, including loopback`, fix)];
  }
  return [ok(`${found}, but never the ports ${ownPorts.join(', ')} of private hosts, which the services use`)];
}
