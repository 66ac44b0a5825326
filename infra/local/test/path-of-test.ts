import { chmod, cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach } from 'vitest';
import { createStack } from '../stack.mjs';

const DEBIAN = fileURLToPath(new URL('./fixtures/debian', import.meta.url));

/** A folder that is the whole PATH of a test, empty at its start, and what providers of programs need beside it. */
export function pathOfTest() {
  let bin = '';
  const said: string[] = [];

  beforeEach(async () => {
    bin = await mkdtemp(join(tmpdir(), 'comfy-fleet-bin-'));
    said.length = 0;
  });

  afterEach(() => rm(bin, { recursive: true, force: true }));

  return {
    said,
    file: (name: string) => join(bin, name),
    /** Writes a shell script into the folder and returns its path. */
    async program(name: string, script: string): Promise<string> {
      const path = join(bin, name);
      await writeFile(path, `#!/bin/sh\n${script}\n`);
      await chmod(path, 0o755);
      return path;
    },
    /** Programs of a Debian that has none of ours; they write what they are told into `log`. */
    addDebian: () => cp(DEBIAN, bin, { recursive: true }),
    log: async () => (await readFile(join(bin, 'log'), 'utf8')).split('\n').filter((line) => line !== ''),
    provider() {
      const print = {
        line: () => undefined,
        say: () => undefined,
        problem: () => undefined,
        progress: () => undefined,
      };
      const { run } = createStack({ root: bin, print });
      const say = (text: string) => void said.push(text);
      return { env: { PATH: bin }, run, say, packagesDir: join(bin, 'packages'), platform: 'linux' as const };
    },
  };
}
