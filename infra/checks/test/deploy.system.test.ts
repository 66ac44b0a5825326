import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { run } from './support/container.js';
import { ROOT } from './support/files.js';

let folder: string | undefined;
afterEach(async () => {
  if (folder !== undefined) await rm(folder, { recursive: true });
});

it('deploy.mjs shows what pnpm said when it failed, which pnpm writes to standard output', async () => {
  folder = await mkdtemp(join(tmpdir(), 'comfy-fleet-deploy-'));
  const deploy = [join(ROOT, 'infra/docker/deploy.mjs'), 'no-such-app', join(folder, 'out')];
  await expect(run(process.execPath, deploy)).rejects.toThrow(/No projects matched the filters/);
});
