import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { countTests } from '../run-tests.mjs';

const vitest = fileURLToPath(new URL('../../../node_modules/vitest/vitest.mjs', import.meta.url));
const FILES = {
  'mixed.test.js': "test('adds', () => {}); test('breaks', () => { throw new Error('no'); });",
  'unloadable.test.js': "import './nowhere.js';",
  'empty.test.js': '',
};

let dir: string;

/** A real report: one test passes, one fails, one file cannot be loaded, one has no test. */
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'comfy-fleet-count-'));
  for (const [name, text] of Object.entries(FILES)) await writeFile(join(dir, name), text);
  const args = [vitest, 'run', '--root', dir, '--globals', '--reporter=json', '--outputFile=report.json'];
  await new Promise((resolve) => execFile(process.execPath, args, resolve));
});

afterAll(() => rm(dir, { recursive: true, force: true }));

describe('the count at the end of npm test', () => {
  it('counts a failed test, a file that cannot be loaded and a file without tests as failures', () => {
    const { passed, failures } = countTests(join(dir, 'report.json'));
    expect(passed).toBe(1);
    expect(failures).toHaveLength(3);
    expect(failures.find((failure) => failure.includes('mixed'))).toMatch(/mixed\.test\.js: breaks$/);
  });

  it('is nothing when there is no report', () => {
    expect(countTests(join(dir, 'nowhere.json'))).toEqual({ passed: 0, failures: [] });
  });
});
