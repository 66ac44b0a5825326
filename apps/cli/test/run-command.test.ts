import { expect, it } from 'vitest';
import { run } from './run.js';

it('tells what there is, when asked or told nothing', async () => {
  const help = await run(['--help']);
  expect([help.code, help.stdout]).toEqual([0, expect.stringMatching(/doctor .*checks Redis/)]);
  expect((await run([])).stdout).toBe(help.stdout);
  expect((await run(['doctor', '--help'])).stdout).toContain('comfy-fleet doctor [--json]');
});

it('says what it does not know', async () => {
  const unknown = { code: 2, stdout: '', stderr: expect.stringContaining("unknown command 'docter'") };
  expect(await run(['docter'])).toEqual(unknown);
  const option = { code: 2, stdout: '', stderr: expect.stringContaining('--jsno') };
  expect(await run(['doctor', '--jsno'])).toEqual(option);
});
