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

async function run(check: string, tests: readonly string[]): Promise<{ code: number; last: string; text: string }> {
  await writeFile(join(root, 'package.json'), JSON.stringify({ type: 'module', scripts: { check } }));
  for (const [index, test] of tests.entries()) await writeFile(join(root, `x${index}.test.js`), test);
  return new Promise((resolve) => {
    execFile(process.execPath, [driver, root], (error, text) => {
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
    ['everything is well', 'exit 0', [PASSES, PASSES], '2 passed, 0 failed', 0],
    ['a test fails', 'exit 0', [PASSES, FAILS], '1 passed, 1 failed', 1],
    ['a check fails', 'exit 3', [PASSES], '1 passed, 1 failed', 1],
    ['an error escapes from a test', 'exit 0', [STRAY_ERROR], '1 passed, 1 failed', 1],
    ['there is no test', 'exit 0', [], '0 passed, 1 failed', 1],
  ])(
    'when %s, ends with the count alone on the last line and the right exit code',
    async (_when, check, tests, last, code) => {
      expect(await run(check, tests)).toMatchObject({ last, code });
    },
  );

  it('goes on with the tests after a failed check, and names it', async () => {
    const { text } = await run('echo ugly; exit 3', [FAILS]);
    expect(text).toMatch(/^check +\| ugly$/m);
    expect(text).toMatch(/^check ended with exit code 3\.$/m);
    expect(text).toMatch(/x0\.test\.js: fails$/m);
  });
});
