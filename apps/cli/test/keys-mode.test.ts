import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { checkMode } from '../src/doctor/checks/keys-mode.js';

/** A file of keys of mode 644 in a folder of the mode given. */
async function keysIn(mode: number): Promise<string> {
  const base = await mkdtemp(join(tmpdir(), 'comfy-fleet-keys-mode-'));
  onTestFinished(() => rm(base, { recursive: true }));
  await chmod(base, 0o755);
  const folder = join(base, 'secrets');
  await mkdir(folder);
  await chmod(folder, mode);
  const path = join(folder, 'keys.json');
  await writeFile(path, '{}');
  await chmod(path, 0o644);
  return path;
}

it('warns of keys that every user of the machine can read', async () => {
  const path = await keysIn(0o755);
  expect(await checkMode(path)).toMatchObject([{ level: 'warn', fix: `chmod 640 ${path}` }]);
});

it('finds nothing wrong with mode 644 in a folder that others cannot enter, as docs/deploy.md makes it for Compose', async () => {
  expect(await checkMode(await keysIn(0o700))).toEqual([]);
});

it('leaves a secret that is mounted into a container as it is', async () => {
  expect(await checkMode('/run/secrets/api_keys')).toEqual([]);
});
