import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { newId } from '@comfy-fleet/contracts';
import { expect, it, onTestFinished } from 'vitest';
import { createFileFrames, frameName } from '../src/index.js';
import { pieces, read } from './frame-store-contract.js';

const { signal } = new AbortController();

it.runIf(process.platform === 'linux')(
  'a store of files throws storage_failed and leaves no half-written file when the disk is full',
  async () => {
    const dir = await mkdtemp(join(tmpdir(), 'frames-'));
    onTestFinished(() => rm(dir, { recursive: true }));
    const frames = createFileFrames({ dir, owner: 'gpu-1' });
    const name = frameName(newId(), 1);
    await frames.put(name, [Buffer.from('old')], { signal });
    const error = await withFileSizeLimit(64 * 1024, () =>
      frames.put(name, pieces(randomBytes(400_000)), { signal }).catch((caught: unknown) => caught),
    );
    expect(error).toMatchObject({ code: 'storage_failed', detail: expect.stringContaining('no space left') });
    expect(await readdir(dir)).toEqual([name]);
    expect(await read(await frames.open(name))).toEqual(Buffer.from('old'));
  },
);

/** Limits the size of files that this process can write, which causes a real kernel error in mid-file without root. */
async function withFileSizeLimit<T>(bytes: number, run: () => Promise<T>): Promise<T> {
  const limit = (value: string) => promisify(execFile)('prlimit', ['--pid', `${process.pid}`, `--fsize=${value}:`]);
  const ignore = () => {};
  process.on('SIGXFSZ', ignore); // the kernel sends this signal, which would end the process
  await limit(`${bytes}`);
  try {
    return await run();
  } finally {
    await limit('unlimited');
    process.off('SIGXFSZ', ignore);
  }
}
