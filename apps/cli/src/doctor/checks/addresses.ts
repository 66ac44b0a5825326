import type { Config } from '@comfy-fleet/config';
import { createSafeHttp, type SafeHttp } from '@comfy-fleet/safe-http';
import { showUrl } from '../../text.js';
import { type Finding, reportOf } from '../finding.js';

/** The address under which callers reach the API, which stands in every answer and webhook. */
export async function checkPublicUrl({ http, access }: Config, signal: AbortSignal): Promise<Finding[]> {
  const { ok, warn, fail } = reportOf('public-url');
  const { publicUrl } = http;
  if (publicUrl === undefined) {
    return [ok('PUBLIC_URL is not set: URLs in answers and webhooks are relative, /images/… for example')];
  }
  const address = showUrl(publicUrl);
  const plain =
    publicUrl.startsWith('http://') && access.keysFile !== undefined && !isLoopback(publicUrl)
      ? [
          warn(
            `${address} is not encrypted: keys can be read on the way`,
            'put TLS in front and begin PUBLIC_URL with https://',
          ),
        ]
      : [];
  const answer = await fetch(`${publicUrl}/livez`, { signal, redirect: 'manual' }).catch(() => undefined);
  signal.throwIfAborted();
  if (answer === undefined) {
    const fix =
      'start the API and what stands in front of it, or correct PUBLIC_URL; callers may reach it where we cannot';
    return [...plain, warn(`nothing answers at ${address} from here`, fix)];
  }
  const body = await answer.json().catch(() => undefined);
  if (answer.status !== 200 || (body as { status?: unknown } | undefined)?.status !== 'ok') {
    const fix = 'correct PUBLIC_URL, or what stands in front of the API: it is to pass every path on as it is';
    return [...plain, fail(`${address}/livez answers ${answer.status}, but not as this API does`, fix)];
  }
  return [...plain, ok(`${address} leads to this API`)];
}

function isLoopback(url: string): boolean {
  return /^(localhost|127\.[\d.]+|\[::1\])$/.test(new URL(url).hostname);
}

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
