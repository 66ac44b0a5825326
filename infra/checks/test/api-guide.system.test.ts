import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { type Simulator, startFleet, startSimulator, type TestFleet } from '@comfy-fleet/testing';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { textOf } from './support/files.js';
import { differs, stepsOf } from './support/guide.js';

const guide = await textOf('docs/api.md');
/** Where the pages say that the API is. */
const SHOWN = 'http://127.0.0.1:3000';

let dir: string;
let simulator: Simulator;
let fleet: TestFleet;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'comfy-fleet-guide-'));
  simulator = await startSimulator({ stepMs: 2, modelLoadMs: 10, previewMethod: 'none' });
  fleet = await startFleet({ redisUrl: inject('redisUrl') });
  await fleet.startWorker('local', [simulator.url]);
});
afterAll(async () => {
  await fleet.close();
  await simulator.close();
  await rm(dir, { recursive: true, force: true });
});

/** Pastes the blocks into one bash, one after the other, and gives what each printed and its exit code. */
async function paste(blocks: readonly string[]): Promise<{ code: number; output: string }[]> {
  const end = '---- end of a block';
  const shell = spawn('bash', ['--norc', '--noprofile'], { cwd: dir, stdio: ['pipe', 'pipe', 'inherit'] });
  shell.stdin.end(blocks.map((block) => `${block}\nprintf '\\n${end} %s\\n' $?\n`).join(''));
  const [said] = await Promise.all([text(shell.stdout), once(shell, 'close')]);
  const results = said.matchAll(new RegExp(String.raw`([\s\S]*?)\n${end} (\d+)\n`, 'g'));
  return [...results].map(([, output = '', code]) => ({ output, code: Number(code) }));
}

/** Pastes the blocks of a page, with the address at which the system is served here, and finds what the page shows otherwise. */
async function faultsOf(page: string): Promise<string[]> {
  const steps = stepsOf(page);
  expect(steps[0]?.commands).toContain(`API=${SHOWN}`);
  const results = await paste(steps.map(({ commands }) => commands.replace(SHOWN, fleet.url)));
  expect(results).toHaveLength(steps.length);
  return steps.flatMap((step, n) => {
    const { code, output } = results[n] ?? { code: -1, output: '' };
    const fault = code === 0 ? differs(step, output) : `exit code ${code}`;
    return fault === undefined ? [] : [`line ${step.line}: ${fault}\n${output.slice(0, 2000)}`];
  });
}

it('succeeds with every block of the API guide that is pasted into a shell, and prints what the guide shows', async () => {
  expect(await faultsOf(guide)).toEqual([]);
});

it('makes the first picture as README says', async () => {
  const [, section = ''] = /\n## First picture\n([\s\S]*?)\n## /.exec(await textOf('README.md')) ?? [];
  expect(await faultsOf(section)).toEqual([]);
});

it('has every call that the service has in the list of all calls', async () => {
  const { paths } = (await (await fetch(`${fleet.url}/openapi.json`)).json()) as { paths: Record<string, object> };
  // The files of the page, and the second way to write the name of an instance, go without saying.
  const told = Object.entries(paths).filter(([path]) => !/\{(file|instance)\}/.test(path));
  const served = told.flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path.replaceAll(/\{(\w+)\}/g, ':$1')}`),
  );
  const [, list = ''] = guide.split('\n## All calls\n');
  const listed = [...list.matchAll(/`((?:GET|POST|DELETE) [^`]+)`/g)].map(([, call = '']) =>
    call.replace('<worker>', ':worker').replace('<n>', ':n'),
  );
  expect(listed.toSorted()).toEqual(served.toSorted());
});
