import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { FleetError } from '@comfy-fleet/client';
import { expect, it, onTestFinished } from 'vitest';
import { EXIT, explain } from '../src/exit-codes.js';
import { FakeTerminal, run } from './run.js';

it('prints the help on --help, and without arguments', async () => {
  const help = await run(['--help']);
  expect([help.code, help.stdout]).toEqual([0, expect.stringMatching(/doctor .*checks Redis/)]);
  expect((await run([])).stdout).toBe(help.stdout);
  expect((await run(['doctor', '--help'])).stdout).toMatch(/Usage: comfy-fleet doctor .*--json .*Examples:/s);
});

it('prints its version, and the help of a command', async () => {
  const { version } = JSON.parse(await readFile(new URL('../../../package.json', import.meta.url), 'utf8'));
  expect(await run(['--version'])).toEqual({ code: 0, stdout: `${version}\n`, stderr: '' });
  expect(await run(['help', 'doctor'])).toEqual(await run(['doctor', '--help']));
});

it('has the command start only if the services are installed', async () => {
  expect((await run(['start'])).stderr).toContain("unknown command 'start'");
});

it('names an unknown command or option', async () => {
  const unknown = { code: 2, stdout: '', stderr: expect.stringContaining("unknown command 'docter'") };
  expect(await run(['docter'])).toEqual(unknown);
  const option = { code: 2, stdout: '', stderr: expect.stringContaining('--jsno') };
  expect(await run(['doctor', '--jsno'])).toEqual(option);
});

it('escapes control characters in JSON for a terminal, but not for a program', async () => {
  const job = { id: '0197', request: { prompt: 'fox\u009b2J\u007f\u0007' }, metadata: { shelf: '嵐, é 🦊' } };
  const api = createServer((_request, response) => response.end(JSON.stringify(job))).listen(0, '127.0.0.1');
  onTestFinished(() => void api.close());
  await once(api, 'listening');
  const get = ['get', '0197', '--json', '--url', `http://127.0.0.1:${(api.address() as AddressInfo).port}`];
  const { stdout } = await run(get, {}, new FakeTerminal());
  expect(stdout).toContain('"fox\\u009b2J\\u007f\\u0007"');
  expect(JSON.parse(stdout)).toEqual(job);
  expect((await run(get)).stdout).toBe(`${JSON.stringify(job)}\n`);
});

it('has the exit codes that docs/cli.md lists', async () => {
  const page = await readFile(new URL('../../../docs/cli.md', import.meta.url), 'utf8');
  const listed = [...page.matchAll(/^\| (\d+) +\| /gm)].map(([, code]) => Number(code));
  expect(listed).toEqual(Object.values(EXIT));
});

it.each([
  ['/steps', '--steps'],
  ['/negative_prompt', '--negative-prompt'],
  ['/inputs/style', '--input style'],
  ['/metadata/shelf', '--metadata shelf'],
  ['/prompt', 'the prompt'],
])('names the API field %s as the command line does: %s', (pointer, option) => {
  const detail = 'must be 150 or less';
  const problem = {
    code: 'validation_failed',
    status: 422,
    detail: `${pointer} ${detail}.`,
    errors: [{ pointer, detail }],
  };
  expect(explain(new FleetError(problem, new Headers()))).toEqual({ text: `${option} ${detail}.`, code: EXIT.refused });
});
