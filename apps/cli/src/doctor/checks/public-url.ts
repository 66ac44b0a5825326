import type { Config } from '@comfy-fleet/config';
import { type Finding, reportOf } from '../finding.js';
import { showUrl } from '../show-url.js';

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
