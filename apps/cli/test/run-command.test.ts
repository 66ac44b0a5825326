import { readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { EXIT } from '../src/exit-codes.js';
import { run } from './run.js';

it('tells what there is, when asked or told nothing', async () => {
  const help = await run(['--help']);
  expect([help.code, help.stdout]).toEqual([0, expect.stringMatching(/doctor .*checks Redis/)]);
  expect((await run([])).stdout).toBe(help.stdout);
  expect((await run(['doctor', '--help'])).stdout).toMatch(/Usage: comfy-fleet doctor .*--json .*Examples:/s);
});

it('says what it does not know', async () => {
  const unknown = { code: 2, stdout: '', stderr: expect.stringContaining("unknown command 'docter'") };
  expect(await run(['docter'])).toEqual(unknown);
  const option = { code: 2, stdout: '', stderr: expect.stringContaining('--jsno') };
  expect(await run(['doctor', '--jsno'])).toEqual(option);
});

it('ends with the exit codes that docs/cli.md lists', async () => {
  const page = await readFile(new URL('../../../docs/cli.md', import.meta.url), 'utf8');
  const listed = [...page.matchAll(/^\| (\d+) +\| /gm)].map(([, code]) => Number(code));
  expect(listed).toEqual(Object.values(EXIT));
});
