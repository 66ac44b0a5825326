import type { ApiKey } from '@comfy-fleet/contracts';
import { Obstacle, type Output } from '../command.js';
import { changeKeys } from './keys-file.js';
import { makeKey, makeSecret, newEntry, withSecret } from './new-key.js';

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
