import { type FieldError, FleetError, type GenerateRequest, type Webhook } from '@comfy-fleet/contracts';
import type { Caller } from '../server/caller.js';

/**
 * Whom to notify of the job's end: whom the request names, else whom the key names. `refusal` says what is wrong with a
 * URL on its face. Throws url_not_allowed, and validation_failed when a request names two.
 */
export function callbackOf(
  { webhook, webhook_url }: Pick<GenerateRequest, 'webhook' | 'webhook_url'>,
  caller: Caller,
  refusal: (url: string) => string | undefined,
): Webhook | undefined {
  if (webhook !== undefined && webhook_url !== undefined) {
    throw refused('validation_failed', '/webhook_url', 'give either webhook or webhook_url');
  }
  const own = webhook ?? (webhook_url === undefined ? undefined : { url: webhook_url });
  if (own !== undefined) {
    const fault = refusal(own.url);
    if (fault === undefined) return own;
    throw refused('url_not_allowed', webhook === undefined ? '/webhook_url' : '/webhook/url', fault);
  }
  const { url, events } = caller.webhook ?? {};
  return url === undefined ? undefined : { url, ...(events === undefined ? {} : { events }) };
}

function refused(code: 'validation_failed' | 'url_not_allowed', pointer: string, fault: string): FleetError {
  const detail = fault.replace(/\.$/, '');
  const errors: FieldError[] = [{ pointer, detail }];
  return new FleetError(code, `${pointer} ${detail}.`, { errors });
}
