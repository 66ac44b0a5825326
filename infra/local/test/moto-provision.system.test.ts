import { chmod, cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { provideMoto } from '../moto-provision.mjs';
import { createStack } from '../stack.mjs';

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
  const machine = { platform: 'linux', pythons: ['debian-python', 'python3'] } as const;
  return provideMoto({
    env: { PATH: bin },
    run,
    say: () => undefined,
    packagesDir: join(bin, 'packages'),
    isRoot,
    ...machine,
  });
};

describe('the S3 server of the tests', () => {
  it('is not installed where any Python has it', async () => {
    await program('debian-python', 'exit 1');
    await program('python3', 'exit 0');
    await program('apt-get', 'exit 100');
    await expect(provide(true)).resolves.toBeUndefined();
  });

  it('is installed with apt-get as root, with what it needs', async () => {
    const log = join(bin, 'log');
    await program('debian-python', `/bin/grep -q install ${log}`);
    await program('apt-get', `echo "$*" >> ${log}`);
    await provide(true);
    expect((await readFile(log, 'utf8')).trim().split('\n')).toEqual([
      'update -q',
      'install -y -q --no-install-recommends python3-moto python3-flask-cors',
    ]);
  });

  it('is unpacked without root, with all that it needs', async () => {
    await cp(DEBIAN, bin, { recursive: true });
    await program('debian-python', '[ -d "$PYTHONPATH/moto" ]');
    await provide(false);
    expect((await readFile(join(bin, 'log'), 'utf8')).trim().split('\n')).toEqual([
      'update',
      'download python3-moto python3-flask-cors',
      'download python3-boto3',
      'download python3-urllib3 python3-cffi',
    ]);
  });

  it('is asked for, with what to type, where it cannot be installed', async () => {
    await program('python3', 'exit 1');
    const words = 'On Debian type: sudo apt-get install -y python3-moto python3-flask-cors';
    await expect(provide(false)).rejects.toThrow(words);
    await program('apt-get', 'exit 0');
    await expect(provide(true)).rejects.toThrow(words);
    await program('apt-get', 'exit 100');
    await expect(provide(true)).rejects.toThrow('apt-get ended with exit code 100');
  });
});
