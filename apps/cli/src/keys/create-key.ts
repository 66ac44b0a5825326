import { randomBytes } from 'node:crypto';
import { checkApiKeys, hashApiKey } from '@comfy-fleet/config';
import type { ApiKey } from '@comfy-fleet/contracts';
import { CommandError, type Output } from '../command.js';
import { KEY_OPTIONS } from './key-options.js';
import { changeKeys } from './keys-file.js';

export interface KeyRequest {
  readonly id: string;
  /** Option values as typed, by their names in KEY_OPTIONS. */
  readonly settings: ReadonlyMap<string, string>;
  readonly newSecret: boolean;
}

/** Creates a key, or a new webhook secret for an existing key. Shows secrets only after the file is written. */
export async function createKey({ id, settings, newSecret }: KeyRequest, path: string, out: Output): Promise<void> {
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
    out.info(
      `The key ${id} is in ${path}, with the scope${fresh.scopes.length === 1 ? '' : 's'} ${fresh.scopes.join(', ')}. Copy it now; it is not shown again:`,
    );
    out.result(key);
    out.info('Only its SHA-256 is stored. Callers send the key with every request, in one of these headers:');
    out.info('  Authorization: Bearer <the key>\n  X-API-Key: <the key>');
  }
  if (secret !== undefined) {
    const earlier = existing?.webhook?.secrets?.length ?? 0;
    out.info(
      `The webhooks of ${id} are signed with this secret. Give it to their receiver now; it is not shown again:`,
    );
    out.result(secret);
    if (earlier > 0) out.info('The previous secret also signs, until you create another one.');
  }
}

function taken(id: string, path: string, newSecret: boolean): CommandError {
  return new CommandError(
    newSecret
      ? `There is already a key ${id} in ${path}. With --webhook-secret new, no other option can be given; edit the file for the rest.`
      : `There is already a key ${id} in ${path}. Edit the file to change its limits, or revoke it to create a new key with this id.`,
  );
}

const BYTES = 32;
/** The new secret and the previous one, so that receivers can switch at any time. */
const SECRETS_KEPT = 2;

/** Generates a key. Only its digest is stored. */
const makeKey = (): string => `cf_${randomBytes(BYTES).toString('base64url')}`;

/** Generates a secret in the format of Standard Webhooks. */
const makeSecret = (): string => `whsec_${randomBytes(BYTES).toString('base64')}`;

/** The file's entry for a new key. Throws a CommandError that lists every fault of the id and of `settings`. */
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
  if (entry === undefined)
    throw new CommandError(faults.map(({ field, rule }) => `${nameOf(field)} ${rule}.`).join('\n'));
  return entry;
}

/** Adds a secret in front of the others and drops the oldest of three. */
function withSecret(entry: ApiKey, secret: string): ApiKey {
  const secrets = [secret, ...(entry.webhook?.secrets ?? [])].slice(0, SECRETS_KEPT);
  return { ...entry, webhook: { ...entry.webhook, secrets } };
}

function nameOf(field: string): string {
  const option = KEY_OPTIONS.find((each) => each.field === field)?.option;
  return option === undefined ? `The ${field}` : `--${option}`;
}
