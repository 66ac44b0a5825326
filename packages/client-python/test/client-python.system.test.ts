import { execFile, spawnSync } from 'node:child_process';
import { cp, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { createGpus, overridesEnv, startStack } from '@comfy-fleet/testing';
import { expect, inject, it, onTestFinished } from 'vitest';

const PACKAGE = fileURLToPath(new URL('..', import.meta.url));

const python = (args: readonly string[], cwd: string) => promisify(execFile)('python3', args, { cwd });
const hasPython = spawnSync('python3', ['--version']).status === 0;

it.skipIf(!hasPython)('does in Python all that it says, against processes', async () => {
  const gpus = await createGpus();
  onTestFinished(() => gpus.close());
  const simulator = await gpus.start(2);
  simulator.faults.add({ kind: 'hang', node: 'EmptyImage' }); // what is canceled there does not end before
  const stack = await startStack({
    redisUrl: inject('redisUrl'),
    env: overridesEnv({ worker: { announceSeconds: 10 } }),
  });
  onTestFinished(() => stack.close());
  await stack.startWorker('gpu', [simulator.url]);
  const args = ['-B', 'test/against_fleet.py', stack.url];
  const { stderr } = await python(args, PACKAGE);
  expect(stderr).toMatch(/Ran 19 tests[\s\S]*OK\n$/);
});

const hasSetuptools = spawnSync('python3', ['-c', 'import setuptools']).status === 0;

it.skipIf(!hasSetuptools)(
  'is packaged by the setuptools that is installed, and leaves nothing that git would track',
  async () => {
    const dir = await mkdtemp(join(tmpdir(), 'comfy-fleet-python-'));
    onTestFinished(() => rm(dir, { recursive: true, force: true }));
    await cp(PACKAGE, dir, { recursive: true });
    await python(['-c', 'from setuptools.build_meta import build_sdist; build_sdist("dist")'], dir);
    await python(['-c', 'from setuptools import setup; setup(script_args=["build"])'], dir); // as pip does
    expect(await readdir(join(dir, 'dist'))).toEqual([expect.stringMatching(/^comfy.fleet-.*\.tar\.gz$/)]);
    const before = await readdir(PACKAGE);
    const left = (await readdir(dir)).filter((name) => !before.includes(name)).map((name) => `${join(PACKAGE, name)}/`);
    const { stdout } = await promisify(execFile)('git', ['check-ignore', ...left], { cwd: PACKAGE });
    expect(stdout.trim().split('\n')).toEqual(left);
  },
);
