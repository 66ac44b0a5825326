import { readFile } from 'node:fs/promises';
import { type Config, parseApiKeys } from '@comfy-fleet/config';
import type { ApiKey } from '@comfy-fleet/contracts';
import { type Finding, reportOf } from '../finding.js';

/** Whether webhooks are signed, and with what. Whether secrets are well-formed, settings and keys say. */
export async function checkWebhooks({ access, webhooks }: Config): Promise<Finding[]> {
  const { ok, warn } = reportOf('webhooks');
  const { secrets } = webhooks;
  if (access.keysFile === undefined) {
    if (secrets.length > 0) return [ok(`are signed with ${secrets.length} of WEBHOOK_SECRETS`)];
    return [ok('go unsigned, as there are no keys and no WEBHOOK_SECRETS')];
  }
  const keys = await readKeys(access.keysFile);
  if (keys === undefined) return []; // reported by the check of the keys
  const unsigned = keys.filter(({ webhook }) => (webhook?.secrets ?? []).length === 0).map(({ id }) => id);
  const ignored =
    secrets.length === 0
      ? []
      : [warn('WEBHOOK_SECRETS is set, but counts only where there are no keys', SECRET_OF_KEY)];
  if (unsigned.length === 0) return [...ignored, ok('are signed, each with the secret of its key')];
  return [...ignored, warn(`of ${unsigned.join(', ')} go unsigned: these keys have no secret`, SECRET_OF_KEY)];
}

const SECRET_OF_KEY = 'npm run keys -- create <id> --webhook-secret new gives a key that there is a secret of its own';

async function readKeys(path: string): Promise<readonly ApiKey[] | undefined> {
  try {
    return parseApiKeys(await readFile(path, 'utf8'), path);
  } catch {
    return undefined;
  }
}
