import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { hashApiKey } from '@comfy-fleet/config';

/** Never reached, but counted against: no request is refused. */
const ENOUGH = 1_000_000_000;

/** Writes a keys file with one key, whose limits are high; answers the key. */
export async function writeKey(file: string): Promise<string> {
  const key = `cf_${randomBytes(32).toString('base64url')}`;
  const limits = {
    requests_per_minute: ENOUGH,
    jobs_waiting: ENOUGH,
    jobs_running: ENOUGH,
    upload_bytes_per_day: ENOUGH,
  };
  const entry = { id: 'bench', sha256: hashApiKey(key), scopes: ['jobs', 'admin'], limits };
  await writeFile(file, JSON.stringify({ keys: [entry] }), { mode: 0o600 });
  return key;
}
