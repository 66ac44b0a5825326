import { randomBytes } from 'node:crypto';
import { checkApiKeys, hashApiKey } from '@comfy-fleet/config';
import type { ApiKey } from '@comfy-fleet/contracts';
import { Obstacle } from '../command.js';
import { KEY_OPTIONS } from './key-options.js';

const BYTES = 32;
/** The new one and the one before: receivers change from one to the other in their own time. */
const SECRETS_KEPT = 2;

/** The key that a caller is given: kept nowhere. */
export const makeKey = (): string => `cf_${randomBytes(BYTES).toString('base64url')}`;

/** As Standard Webhooks writes a symmetric secret. */
export const makeSecret = (): string => `whsec_${randomBytes(BYTES).toString('base64')}`;

/**
 * The entry of a new key for the file. Throws an Obstacle with everything that is wrong with the id and with
 * `settings`, which are as the command line has them.
 */
export function newEntry(id: string, key: string, settings: ReadonlyMap<string, string>): ApiKey {
  const draft: Record<string, unknown> = { id, sha256: hashApiKey(key), scopes: ['jobs'] };
  draft.created_at = new Date().toISOString();
  const parts: Record<string, Record<string, unknown>> = {};
  for (const { option, field, read } of KEY_OPTIONS) {
    const text = settings.get(option);
    if (text === undefined) continue;
    const [head = '', tail] = field.split('.');
    if (tail === undefined) draft[head] = read(text);
    else parts[head] = { ...parts[head], [tail]: read(text) };
  }
  const { keys, faults } = checkApiKeys({ keys: [{ ...draft, ...parts }] });
  const [entry] = keys;
  if (entry === undefined) throw new Obstacle(faults.map(({ field, rule }) => `${nameOf(field)} ${rule}.`).join('\n'));
  return entry;
}

/** The entry with one more secret, which signs first. Of three the oldest goes. */
export function withSecret(entry: ApiKey, secret: string): ApiKey {
  const secrets = [secret, ...(entry.webhook?.secrets ?? [])].slice(0, SECRETS_KEPT);
  return { ...entry, webhook: { ...entry.webhook, secrets } };
}

function nameOf(field: string): string {
  const option = KEY_OPTIONS.find((each) => each.field === field)?.option;
  return option === undefined ? `The ${field}` : `--${option}`;
}
