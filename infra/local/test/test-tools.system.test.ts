import { chmod, cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { findProgram } from '../redis-binary.mjs';
import { createStack } from '../stack.mjs';
import { provideTestTools, withUnpackedTools } from '../test-tools.mjs';

const DEBIAN = fileURLToPath(new URL('./fixtures/debian', import.meta.url));

let bin: string;

beforeEach(async () => {
  bin = await mkdtemp(join(tmpdir(), 'comfy-fleet-bin-'));
});

afterEach(() => rm(bin, { recursive: true, force: true }));

/** A program on the PATH of this test, which holds nothing else. */
async function program(name: string, script: string): Promise<void> {
  const path = join(bin, name);
  await writeFile(path, `#!/bin/sh\n${script}\n`);
  await chmod(path, 0o755);
}

const provide = (isRoot: boolean) => {
  const print = {
    line: () => undefined,
    say: () => undefined,
    packagesDir: join(bin, 'packages'),
    problem: () => undefined,
    progress: () => undefined,
  };
  const { run } = createStack({ root: bin, print });
  return provideTestTools({
    env: { PATH: bin },
    run,
    say: () => undefined,
    packagesDir: join(bin, 'packages'),
    platform: 'linux',
    isRoot,
  });
};

describe('the programs that the tests run', () => {
  it('are installed with apt-get in one go as root, and only those that are missing', async () => {
    await program('docker-compose', 'exit 0');
    const log = join(bin, 'log');
    const made = ['promtool', 'python3', 'chromium'].map((name) => join(bin, name)).join(' ');
    await program('apt-get', `echo "$*" >> ${log}; for p in ${made}; do echo > $p; /bin/chmod +x $p; done`);
    await provide(true);
    expect((await readFile(log, 'utf8')).split('\n').filter((line) => line !== '')).toEqual([
      'update -q',
      'install -y -q --no-install-recommends promtool python3 chromium',
    ]);
  });

  it('are not looked for further when all are here', async () => {
    for (const name of ['docker-compose', 'promtool', 'python3', 'chromium']) await program(name, 'exit 0');
    await program('apt-get', 'exit 100');
    await expect(provide(true)).resolves.toBeUndefined();
  });

  it('are unpacked one by one without root, where they are found then and later', async () => {
    await cp(DEBIAN, bin, { recursive: true });
    await provide(false);
    expect((await readFile(join(bin, 'log'), 'utf8')).split('\n').filter((line) => line !== '')).toEqual([
      'update',
      'download docker-compose',
      'update',
      'download promtool',
    ]);
    const { PATH = '' } = withUnpackedTools({ PATH: bin }, join(bin, 'packages'));
    for (const name of ['docker-compose', 'promtool']) expect(findProgram(name, { PATH })).toBeDefined();
    await program('apt-get', 'exit 100');
    await expect(provide(false)).resolves.toBeUndefined();
  });

  it('are done without where only tests are skipped without them', async () => {
    for (const name of ['docker-compose', 'promtool']) await program(name, 'exit 0');
    await program('apt-get', 'exit 100');
    await expect(provide(false)).resolves.toBeUndefined();
  });

  it('are named, with what to type, where they cannot be installed', async () => {
    await program('docker-compose', 'exit 0');
    await program('apt-get', 'exit 100');
    const words = 'need promtool. On Debian type: sudo apt-get install -y promtool python3 chromium';
    await expect(provide(false)).rejects.toThrow(words);
    await expect(provide(true)).rejects.toThrow('apt-get ended with exit code 100');
  });
});
