import { mkdir, mkdtemp, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Fleet, type Job } from '@comfy-fleet/client';
import {
  createGpus,
  type Gpus,
  PICTURE,
  removeFolder,
  type Simulator,
  startStack,
  type TestStack,
} from '@comfy-fleet/testing';
import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from 'vitest';
import { runBuilt, startBuilt } from './run-built.js';

const SMALL = ['--lod', 'sketch', '--width', '64', '--height', '64'];

let gpus: Gpus;
let simulator: Simulator;
let stack: TestStack;
let fleet: Fleet;
let dir: string;
let env: Record<string, string>;

beforeAll(async () => {
  gpus = await createGpus();
  simulator = await gpus.start(2);
  stack = await startStack({ redisUrl: inject('redisUrl') });
  await stack.startWorker('gpu', [simulator.url]);
  fleet = new Fleet({ url: stack.url });
  dir = await mkdtemp(join(tmpdir(), 'comfy-fleet-callers-'));
  env = { COMFY_FLEET_URL: stack.url, XDG_CONFIG_HOME: dir };
});
afterEach(() => simulator.faults.remove());
afterAll(async () => {
  await stack.close();
  await gpus.close();
  await removeFolder(dir);
});

const run = (...args: string[]) => runBuilt(args, env, dir);
const linesOf = (text: string) =>
  text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { type: string; data: Job });
/** Starts a detached job that runs until it is canceled. */
const startEndless = async () => {
  simulator.faults.add({ kind: 'hang' });
  const { stdout } = await run('generate', 'a slow fox', '--detach');
  return JSON.parse(stdout) as Job;
};

describe('the command line, for callers', () => {
  it('makes a picture, reports it in JSON lines, and saves it under the requested name', async () => {
    const { code, stdout, stderr } = await run(
      'generate',
      'a red',
      'fox',
      ...SMALL,
      '--seed',
      '7',
      '-o',
      'out/{seed}.webp',
    );
    expect([code, stderr]).toEqual([0, '']);
    const lines = linesOf(stdout);
    expect(lines[0]).toMatchObject({ type: 'status', data: { request: { prompt: 'a red fox', width: 64 } } });
    expect(lines.at(-2)).toMatchObject({ type: 'status', data: { status: 'succeeded', seed: 7 } });
    expect(lines.at(-1)).toMatchObject({ type: 'file', data: { index: 0, path: 'out/7.webp' } });
    expect(await readdir(join(dir, 'out'))).toEqual(['7.webp']);
    expect((await readFile(join(dir, 'out/7.webp'))).subarray(8, 12).toString()).toBe('WEBP');
  });

  it('says in one line that a file cannot be written', async () => {
    await mkdir(join(dir, 'taken.png.part'));
    const { code, stderr } = await run('generate', 'a fox', ...SMALL, '-o', 'taken.png');
    expect([code, stderr]).toEqual([1, expect.stringMatching(/^EISDIR: .*taken\.png\.part'?\n$/)]);
  });

  it('runs img2img and a workflow with a file, and refines and retries a picture', async () => {
    await writeFile(join(dir, 'photo.png'), PICTURE, 'base64');
    const first = linesOf((await run('img2img', 'photo.png', 'at night', ...SMALL)).stdout).at(-1)?.data;
    expect(first).toMatchObject({ kind: 'img2img', status: 'succeeded' });
    const inputs = ['--input', 'prompt=at dawn', '--input', 'steps=3', '--file', 'image=@photo.png'];
    const second = linesOf((await run('run', 'img2img', ...inputs, '--metadata', 'shelf=low')).stdout).at(-1)?.data;
    expect(second).toMatchObject({
      status: 'succeeded',
      metadata: { shelf: 'low' },
      request: { steps: 3 },
    });
    const refine = ['refine', first?.id ?? '', '--lod', 'mid', '--idempotency-key', 'mine'];
    const refined = linesOf((await run(...refine)).stdout).at(-1)?.data;
    expect(refined).toMatchObject({ status: 'succeeded', lod: 'mid', parent: { id: first?.id, relation: 'refine' } });
    expect(JSON.parse((await run(...refine, '--detach')).stdout)).toMatchObject({ id: refined?.id });
    const again = linesOf((await run('retry', refined?.id ?? '', '--seed', '7')).stdout).at(-1)?.data;
    expect(again).toMatchObject({ status: 'succeeded', seed: 7, parent: { id: refined?.id, relation: 'retry' } });
    const listed = await run('jobs', '--metadata', 'shelf=low');
    expect(JSON.parse(listed.stdout)).toMatchObject({ id: second?.id });
  });

  it('detaches from a job, watches it, downloads its files, and shows it', async () => {
    const { id } = JSON.parse((await run('generate', 'an owl', ...SMALL, '--count', '2', '--detach')).stdout) as Job;
    const watched = await run('watch', id);
    expect([watched.code, linesOf(watched.stdout).at(-1)?.data.status]).toEqual([0, 'succeeded']);
    const files = linesOf((await run('download', id, '--width', '64')).stdout);
    expect(files).toMatchObject([0, 1].map((index) => ({ type: 'file', data: { index, path: `${id}-${index}.png` } })));
    expect(JSON.parse((await run('get', id)).stdout)).toMatchObject({ id, status: 'succeeded' });
  });

  it('cancels a job, and a command that watches it exits with the code for canceled', async () => {
    const { id } = await startEndless();
    const watching = run('watch', id);
    expect((await run('cancel', id)).code).toBe(0);
    expect((await watching).code).toBe(6);
  });

  it('at Ctrl-C says that the job continues, or cancels it with --cancel-on-exit', async () => {
    const { id } = await startEndless();
    const watching = startBuilt(['watch', id], env, dir);
    await watching.output();
    watching.kill('SIGINT');
    const left = await watching.ended;
    expect([left.code, left.stderr]).toEqual([130, expect.stringContaining(`comfy-fleet watch ${id}`)]);
    expect((await fleet.jobs.get(id)).snapshot.finished_at).toBeNull();

    const ending = startBuilt(['watch', id, '--cancel-on-exit'], env, dir);
    await ending.output();
    ending.kill('SIGINT');
    expect((await ending.ended).code).toBe(130);
    await expect((await fleet.jobs.get(id)).wait()).rejects.toMatchObject({ code: 'canceled' });
  });

  it('makes one job for each row of a file, even if the file is run several times', async () => {
    const rows = ['prompt,seed,metadata.shelf', 'a red fox,1,low', 'an owl,2,', 'an owl,2,'];
    await writeFile(join(dir, 'prompts.csv'), rows.join('\n'));
    const sheet = ['generate', '--from', 'prompts.csv', ...SMALL, '-o', 'sheet/{line}-{seed}'];
    const jobsOf = async (...more: string[]) => {
      const { code, stdout, stderr } = await run(...sheet, ...more);
      expect([code, stderr]).toEqual([0, '']);
      const ended = linesOf(stdout).filter(({ type }) => type === 'status');
      return ended.map(({ data }) => data.id).sort();
    };
    const first = await jobsOf();
    expect(new Set(first).size).toBe(3);
    expect((await readdir(join(dir, 'sheet'))).sort()).toEqual(['1-1.png', '2-2.png', '3-2.png']);
    expect(await jobsOf('--parallel', '1')).toEqual(first);
    await writeFile(join(dir, 'prompts.csv'), [...rows.slice(0, 3), 'a third,3,', rows[3]].join('\n'));
    const second = await jobsOf();
    expect(second.filter((id) => !first.includes(id))).toHaveLength(1);
  });

  it('runs rows with failed jobs again, and continues after a refused row', async () => {
    const lines = [{ prompt: 'one' }, { prompt: 'two', steps: 100_000 }, { prompt: 'three' }];
    await writeFile(join(dir, 'prompts.jsonl'), lines.map((line) => JSON.stringify(line)).join('\n'));
    const sheet = ['generate', '--from', 'prompts.jsonl', ...SMALL, '--parallel', '1'];
    simulator.faults.add({ kind: 'node_error', times: 1 });
    const first = await run(...sheet);
    expect([
      first.code,
      linesOf(first.stdout).map(({ type, data }) => data.error?.code ?? data.status ?? type),
    ]).toEqual([5, ['node_execution_error', 422, 'succeeded']]);
    const again = await run(...sheet);
    expect([again.code, linesOf(again.stdout).map(({ data }) => data.status)]).toEqual([
      3,
      ['succeeded', 422, 'succeeded'],
    ]);
  });

  it('completes jobs, workflows and inputs of the API in a shell', async () => {
    for (const shell of ['bash', 'zsh', 'fish']) {
      expect((await run('completion', shell)).stdout).toContain('comfy-fleet complete --');
    }
    const { id } = JSON.parse((await run('generate', 'a fox', ...SMALL, '--detach')).stdout) as Job;
    const completed = async (...words: string[]) =>
      (await run('complete', '--', ...words)).stdout.split('\n').map((line) => line.split('\t')[0]);
    // Completion gives up on a slow API and offers no words, so poll.
    await expect.poll(async () => (await completed('get', ''))[0]).toBe(id);
    await expect.poll(() => completed('run', 'im')).toContain('img2img');
    await expect.poll(() => completed('run', 'img2img', '--input', 'den')).toContain('denoise=');
    await (await fleet.jobs.get(id)).wait();
  });

  it('deletes a job, shows the usage, and prints where the studio is', async () => {
    const { id } = JSON.parse((await run('generate', 'a fox', ...SMALL, '--detach')).stdout) as Job;
    await (await fleet.jobs.get(id)).wait();
    expect((await run('delete', id)).stderr).toContain(`${id} is deleted.\n`);
    expect((await run('get', id)).code).toBe(3);
    const usage = JSON.parse((await run('usage', '--days', '2')).stdout);
    expect(usage.data).toHaveLength(2);
    expect((await run('open', id)).stdout).toBe(`${stack.url}/studio/gallery/${id}\n`);
  });

  it('pauses and drains, shows what is halted, and resumes', async () => {
    const halted = async (...args: string[]) => JSON.parse((await run(...args)).stdout);
    expect((await halted('pause')).paused).toMatchObject({ since: expect.any(String) });
    expect((await halted('pause', 'default')).pools).toMatchObject([{ name: 'default' }]);
    expect((await halted('drain', 'gpu/1')).instances).toMatchObject([{ name: 'gpu/1' }]);
    for (const args of [[], ['default'], ['gpu/1']]) await run('resume', ...args);
    expect(await halted('resume')).toEqual({ paused: null, pools: [], instances: [] });
  });

  it('stores the address of an API as the default of later commands', async () => {
    const home = await mkdtemp(join(dir, 'home-'));
    const own = (...args: string[]) => runBuilt(args, { XDG_CONFIG_HOME: home }, home);
    expect((await own('login', stack.url, '--profile', 'flat')).code).toBe(0);
    const path = join(home, 'comfy-fleet/config.json');
    expect(JSON.parse(await readFile(path, 'utf8'))).toEqual({
      default: 'flat',
      profiles: { flat: { url: stack.url } },
    });
    expect((await stat(path)).mode & 0o077).toBe(0);
    expect((await own('open')).stdout).toBe(`${stack.url}/studio/\n`);
    expect((await own('login', 'http://127.0.0.1:9')).code).toBe(4);
    expect(JSON.parse(await readFile(path, 'utf8')).default).toBe('flat');
  });

  it('shows the fleet', async () => {
    await expect
      .poll(async () => JSON.parse((await run('fleet')).stdout))
      .toMatchObject({ workers: [{ name: 'gpu' }] });
    expect((await run('top')).code).toBe(2);
  });

  it('exits with a code for misuse, refusal, failure or an unreachable API', async () => {
    const misused = await run('generate');
    expect([misused.code, misused.stderr]).toEqual([2, expect.stringContaining('Say what the picture shows')]);
    const refused = await run('generate', 'a fox', '--steps', '100000');
    expect([refused.code, refused.stderr]).toEqual([3, expect.stringMatching(/^--steps /)]);
    const unknown = await run('get', '01a21b0d-06ec-71c2-b764-c91b27b2c15a');
    expect([unknown.code, unknown.stderr]).toEqual([3, expect.stringContaining('There is no job with this id')]);
    simulator.faults.add({ kind: 'node_error', times: 1 });
    expect((await run('generate', 'a fox', ...SMALL)).code).toBe(5);
    const { code } = await runBuilt(['jobs', '--url', 'http://127.0.0.1:9'], env, dir);
    expect(code).toBe(4);
  });
});
