import { execFile, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { createGpus, startStack } from '@comfy-fleet/testing';
import { expect, inject, it, onTestFinished } from 'vitest';

const PACKAGE = fileURLToPath(new URL('..', import.meta.url));

const hasPython = spawnSync('python3', ['--version']).status === 0;

it.skipIf(!hasPython)('does in Python all that it says, against processes', async () => {
  const gpus = await createGpus();
  onTestFinished(() => gpus.close());
  const simulator = await gpus.start(2);
  simulator.faults.add({ kind: 'hang', node: 'EmptyImage' }); // what is canceled there does not end before
  const stack = await startStack({ redisUrl: inject('redisUrl'), env: { ANNOUNCE_SECONDS: '10' } });
  onTestFinished(() => stack.close());
  await stack.startWorker('gpu', [simulator.url]);
  const args = ['-B', 'test/against_fleet.py', stack.url];
  const { stderr } = await promisify(execFile)('python3', args, { cwd: PACKAGE });
  expect(stderr).toMatch(/Ran 12 tests[\s\S]*OK\n$/);
});
