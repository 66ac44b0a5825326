import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { openFrameStores } from '../src/index.js';

async function inFolder(name: string) {
  const folder = await mkdtemp(join(tmpdir(), 'open-stores-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  await writeFile(join(folder, 'file'), '');
  return openFrameStores({ store: 'file', dir: join(folder, name) }, { owner: 'test' });
}

it('reports to concurrent callers that a folder works, or why it cannot be used', async () => {
  const { signal } = new AbortController();
  const good = await inFolder('frames');
  expect(await Promise.all([good.fault(signal), good.fault(signal)])).toEqual([undefined, undefined]);
  const bad = await inFolder('file/frames');
  const says = expect.stringMatching(/cannot be used; check FRAMES_DIR \(Error: ENOTDIR/);
  expect(await Promise.all([bad.fault(signal), bad.fault(signal)])).toEqual([says, says]);
});

it('opens a bucket without the warning of the AWS SDK that this Node grows old', async () => {
  const warnings: unknown[] = [];
  const record = (warning: unknown) => warnings.push(warning);
  process.on('warning', record);
  onTestFinished(() => {
    process.off('warning', record);
  });
  const access = { region: 'us-east-1', endpoint: 'http://127.0.0.1:9', pathStyle: true };
  await openFrameStores(
    { store: 's3', bucket: 'pictures', prefix: '', reads: 'proxied', ...access },
    { owner: 'test' },
  );
  await new Promise((resolve) => setImmediate(resolve));
  expect(warnings).toEqual([]);
});

it('reports that a folder does not respond when the time is up', async () => {
  const stores = await inFolder('frames');
  expect(await stores.fault(AbortSignal.abort())).toMatch(/does not respond in time/);
  expect(await stores.fault(new AbortController().signal)).toBeUndefined();
});
