import { randomBytes } from 'node:crypto';
import { checkApiKeys, hashApiKey } from '@comfy-fleet/config';
import type { ApiKey } from '@comfy-fleet/contracts';
import { Obstacle, type Output } from '../command.js';
import { KEY_OPTIONS } from './key-options.js';
import { changeKeys } from './keys-file.js';

export interface KeyWish {
  readonly id: string;
  /** As they are written, by the names of KEY_OPTIONS. */
  readonly settings: ReadonlyMap<string, string>;
  readonly newSecret: boolean;
}

/** Makes a key, or another webhook secret for one that there is. Secrets are shown once the file has them. */
export async function createKey({ id, settings, newSecret }: KeyWish, path: string, out: Output): Promise<void> {
  const key = makeKey();
  const secret = newSecret ? makeSecret() : undefined;
  const fresh = newEntry(id, key, settings);
  let existing: ApiKey | undefined;
  await changeKeys(path, (keys) => {
    existing = keys.find((each) => each.id === id);
    if (existing !== undefined && (secret === undefined || settings.size > 0)) throw taken(id, path, newSecret);
    const entry = existing ?? fresh;
    const changed = secret === undefined ? entry : withSecret(entry, secret);
    return existing === undefined ? [...keys, changed] : keys.map((each) => (each === existing ? changed : each));
  });
  if (existing === undefined) {
    out.say(`The key ${id} is in ${path}, with the scopes ${fresh.scopes.join(', ')}. This is it, shown only now:`);
    out.result(key);
    out.say('Only its SHA-256 is kept. Callers send it with every request, in one of these headers:');
    out.say('  Authorization: Bearer <the key>\n  X-API-Key: <the key>');
  }
  if (secret !== undefined) {
    const earlier = existing?.webhook?.secrets?.length ?? 0;
    out.say(`The webhooks of ${id} are signed with this secret, shown only now; give it to their receiver:`);
    out.result(secret);
    if (earlier > 0) out.say('The secret before it signs too, until the next one is made.');
  }
}

function taken(id: string, path: string, newSecret: boolean): Obstacle {
  return new Obstacle(
    newSecret
      ? `There is a key ${id} in ${path} already: it can be given a new webhook secret, but nothing else with it. Edit the file for the rest.`
      : `There is a key ${id} in ${path} already. Edit the file to change its limits; revoke it first to make a new key for the same caller.`,
  );
}

const BYTES = 32;
/** The new one and the one before: receivers change from one to the other in their own time. */
const SECRETS_KEPT = 2;

/** The key that a caller is given: kept nowhere. */
const makeKey = (): string => `cf_${randomBytes(BYTES).toString('base64url')}`;

/** As Standard Webhooks writes a symmetric secret. */
const makeSecret = (): string => `whsec_${randomBytes(BYTES).toString('base64')}`;

/**
 * The entry of a new key for the file. Throws an Obstacle with everything that is wrong with the id and with
 * `settings`, which are as the command line has them.
 */
function newEntry(id: string, key: string, settings: ReadonlyMap<string, string>): ApiKey {
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
function withSecret(entry: ApiKey, secret: string): ApiKey {
  const secrets = [secret, ...(entry.webhook?.secrets ?? [])].slice(0, SECRETS_KEPT);
  return { ...entry, webhook: { ...entry.webhook, secrets } };
}

function nameOf(field: string): string {
  const option = KEY_OPTIONS.find((each) => each.field === field)?.option;
  return option === undefined ? `The ${field}` : `--${option}`;
}
