import { execFile } from 'node:child_process';
import { chmod, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { ROOT } from './support/files.js';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'comfy-fleet-ci-'));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

/** Runs `.ci/run` with an npm that tells its caches, fills them, and ends with `code`. */
async function run(code: number): Promise<{ code: number; said: string[] }> {
  const npm = `#!/bin/sh
for cache in "$XDG_CACHE_HOME" "$npm_config_cache" "$npm_config_store_dir"; do
  [ -e "$cache" ] && echo "$cache is there" || echo "$cache"
  mkdir -p "$cache" && touch "$cache/file"
done
echo "$PWD $*"
exit ${code}
`;
  await writeFile(join(dir, 'npm'), npm);
  await chmod(join(dir, 'npm'), 0o755);
  const env = { ...process.env, PATH: [dir, process.env.PATH].join(delimiter), TMPDIR: dir };
  return new Promise((resolve) => {
    execFile(join(ROOT, '.ci/run'), { env, cwd: tmpdir() }, (error, said) => {
      resolve({ code: Number(error?.code ?? 0), said: said.trim().split('\n') });
    });
  });
}

it.each([0, 3])(
  'the CI runs npm test with caches that are new, leaves none, and ends as that does: %i',
  async (code) => {
    const { said, ...ended } = await run(code);
    expect(ended).toEqual({ code });
    const caches = said.slice(0, -1);
    expect(new Set(caches).size).toBe(3);
    for (const cache of caches) expect(cache).toMatch(new RegExp(`^${dir}/tmp[^ ]+$`));
    expect(said.at(-1)).toBe(`${ROOT.replace(/\/$/, '')} test`);
    expect(await readdir(dir)).toEqual(['npm']);
  },
);
