import { createHash } from 'node:crypto';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startRedisServer, startSimulator } from '@comfy-fleet/testing';
import { expect } from 'vitest';
import { run } from './run.js';

export const KEY = 'cf_a-key-that-nobody-may-see';
export const SECRET = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;
export const PASSWORD = 'a-password-that-nobody-may-see';

interface Finding {
  readonly check: string;
  readonly level: 'ok' | 'warn' | 'fail';
  readonly found: string;
  readonly mend?: string;
}

/** On a busy machine Redis may take longer to answer than the default of 800 ms. */
const PATIENT = '10000';

/** A healthy fleet for the doctor, and functions to break it. */
export async function openHealthyFleet() {
  const dir = await mkdtemp(join(tmpdir(), 'comfy-fleet-doctor-'));
  const comfyui = await startSimulator({ cacheLru: 64 });
  const redis = await startRedisServer();

  const writeKeys = async (name: string, keys: readonly object[], mode = 0o600): Promise<string> => {
    const path = join(dir, name);
    const sha256 = createHash('sha256').update(KEY).digest('hex');
    const entries = keys.map((key, index) => ({ id: `key-${index}`, sha256, ...key }));
    await writeFile(path, JSON.stringify({ keys: entries }));
    await chmod(path, mode);
    return path;
  };
  const keysFile = await writeKeys('keys.json', [{ scopes: ['jobs', 'admin'], webhook: { secrets: [SECRET] } }]);
  const healthy = {
    REDIS_URL: redis.url,
    REDIS_TIMEOUT_MS: PATIENT,
    COMFYUI_URLS: comfyui.url,
    FRAMES_DIR: join(dir, 'frames'),
    MIN_FREE_BYTES: '1',
    API_KEYS_FILE: keysFile,
  };
  return {
    dir,
    comfyui,
    writeKeys,
    /** Runs the doctor with these changes to the healthy settings; undefined removes a setting. */
    examine: async (changes: Readonly<Record<string, string | undefined>> = {}) => {
      const settings = Object.entries({ ...healthy, ...changes }).filter(([, value]) => value !== undefined);
      const env = Object.fromEntries(settings) as Record<string, string>;
      const { code, stdout, stderr } = await run(['doctor', '--json'], env);
      expect(stdout + stderr).not.toMatch(new RegExp([KEY, SECRET.slice(6), PASSWORD].join('|')));
      expect(stderr).toBe('');
      const { ok, findings } = JSON.parse(stdout) as { ok: boolean; findings: Finding[] };
      expect(ok).toBe(code === 0);
      return { code, findings, bad: findings.filter(({ level }) => level === 'fail') };
    },
    close: async () => {
      await comfyui.close();
      await redis.close();
      await rm(dir, { recursive: true, force: true });
    },
  };
}
