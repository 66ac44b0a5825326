import { execFile } from 'node:child_process';
import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const driver = fileURLToPath(new URL('./fixtures/drive-tests.mjs', import.meta.url));
const modules = fileURLToPath(new URL('../../../node_modules', import.meta.url));
const PASSES = "import { expect, it } from 'vitest'; it('passes', () => expect(1).toBe(1));";
const FAILS = "import { expect, it } from 'vitest'; it('fails', () => expect(1).toBe(2));";
const STRAY_ERROR = `${PASSES} void Promise.reject(new Error('stray'));`;

let root: string;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'comfy-fleet-suite-'));
  await symlink(modules, join(root, 'node_modules'));
});

afterEach(() => rm(root, { recursive: true, force: true }));

/** As vitest.config.ts names the gears: the files of this suite are x<n>.unit.test.js, .redis.test.js and .system.test.js in turn. */
const GEARS = ['unit', 'redis', 'system'];
const CONFIG = `export default { test: { projects: ${JSON.stringify(GEARS)}.map((name) => ({ test: { name, include: ['*.' + name + '.test.js'] } })) } };`;

async function run(
  check: string,
  tests: readonly string[],
  only: readonly string[] = [],
): Promise<{ code: number; last: string; text: string }> {
  await writeFile(join(root, 'package.json'), JSON.stringify({ type: 'module', scripts: { check } }));
  await writeFile(join(root, 'vitest.config.js'), CONFIG);
  for (const [index, test] of tests.entries()) {
    await writeFile(join(root, `x${index}.${GEARS[index % GEARS.length]}.test.js`), test);
  }
  return new Promise((resolve) => {
    execFile(process.execPath, [driver, root, ...only], (error, text) => {
      resolve({
        code: typeof error?.code === 'number' ? error.code : 0,
        last: text.trimEnd().split('\n').at(-1) ?? '',
        text,
      });
    });
  });
}

describe('npm test', () => {
  it.each([
    ['everything is well', [PASSES, PASSES, PASSES], [], '3 passed, 0 failed', 0],
    ['there is no test in the gear that is named', [], ['unit'], '0 passed, 1 failed', 1],
  ])(
    'when %s, ends with the count alone on the last line and the right exit code',
    async (_when, tests, only, last, code) => {
      expect(await run('exit 0', tests, only)).toMatchObject({ last, code });
    },
  );

  it('goes on after a failed check, a failed test and an error outside a test, names each, and counts them', async () => {
    const { last, code, text } = await run('echo ugly; exit 3', [FAILS, STRAY_ERROR, PASSES]);
    expect(text).toMatch(/^check +\| ugly$/m);
    expect(text).toMatch(/^check ended with exit code 3\.$/m);
    expect(text).toMatch(/x0\.unit\.test\.js: fails$/m);
    expect(text).toMatch(/^redis ended with exit code 1\.$/m);
    expect({ last, code }).toEqual({ last: '2 passed, 3 failed', code: 1 });
  });
});
