import { mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { removeFolder } from '@comfy-fleet/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { run } from './run.js';

const JOBS = [
  { id: '0197-b', status: 'running', request: { prompt: 'a red\nfox', workflow: 'text2img' } },
  { id: '0197-a', status: 'succeeded', request: { workflow: 'flux' } },
  { id: '$(reboot)', status: 'running', request: { workflow: 'flux' } },
];
const INPUTS = {
  flux: { prompt: {}, image: { contentMediaType: 'image/*' } },
  text2img: { sampler: { enum: ['euler', 'dpmpp_2m'] } },
};

let dir: string;
let api: Server;
let env: Record<string, string>;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'comfy-fleet-completion-'));
  await mkdir(join(dir, 'comfy-fleet'));
  await writeFile(join(dir, 'comfy-fleet/config.json'), '{"profiles":{"studio":{},"laptop":{}}}');
  api = createServer(({ url = '' }, response) => {
    const [, what, name = ''] = url.split(/[/?]/);
    const inputs = { properties: INPUTS[name as keyof typeof INPUTS] };
    const workflows = Object.keys(INPUTS).map((one) => ({ name: one, description: null }));
    const answer =
      what === 'jobs' ? { data: JOBS, next_cursor: null } : name in INPUTS ? { inputs } : { data: workflows };
    response.end(JSON.stringify(answer));
  });
  await new Promise<void>((resolve) => api.listen(0, '127.0.0.1', resolve));
  env = { XDG_CONFIG_HOME: dir, COMFY_FLEET_URL: `http://127.0.0.1:${(api.address() as AddressInfo).port}` };
});
afterAll(async () => {
  api.close();
  await removeFolder(dir);
});

/** The values that a shell is offered, and the directive for it. */
async function completed(...words: string[]): Promise<{ values: string[]; directive: number }> {
  const lines = (await run(['complete', '--', ...words], env)).stdout.trimEnd().split('\n');
  return {
    values: lines.slice(0, -1).map((line) => line.split('\t')[0] ?? ''),
    directive: Number(lines.at(-1)?.slice(1)),
  };
}
const valuesOf = async (...words: string[]) => (await completed(...words)).values;

describe('a shell completes', () => {
  it('commands, subcommands and options', async () => {
    expect(await valuesOf('ge')).toEqual(['generate', 'get']);
    expect(await valuesOf('keys', '')).toEqual(['create', 'list', 'revoke', 'help']);
    expect(await valuesOf('workflows', 'check', '--c')).toEqual(['--comfyui']);
    expect(await valuesOf('keys', 'create', 'acme', '--weight', '2', '--max')).toEqual([
      '--max-gpu-seconds-per-day',
      '--max-gpu-seconds',
      '--max-steps',
      '--max-size',
      '--max-count',
      '--max-pixels',
      '--max-priority',
    ]);
    expect(await valuesOf('doctor', '--')).toEqual(['--json', '--help']);
  });

  it('option values', async () => {
    expect(await valuesOf('jobs', '--status', 'c')).toEqual(['canceling', 'canceled']);
    expect(await valuesOf('jobs', '--status=q')).toEqual(['queued']);
    expect(await valuesOf('generate', '--sampler', '')).toEqual(['euler', 'dpmpp_2m']);
    expect(await valuesOf('jobs', '--profile', '')).toEqual(['studio', 'laptop']);
    expect(await valuesOf('keys', 'create', 'a', '--webhook-secret', '')).toEqual(['new']);
  });

  it('the newest jobs that a command can act on, except ids that a shell might run', async () => {
    const { values, directive } = await completed('get', '');
    expect([values, directive]).toEqual([['0197-b', '0197-a'], 4 + 32]);
    expect(await valuesOf('cancel', '')).toEqual(['0197-b']);
    expect(await valuesOf('cancel', '0197-b', '')).toEqual([]);
    expect(await valuesOf('download', '0197')).toEqual(['0197-a']);
    expect((await run(['complete', '--', 'watch', ''], env)).stdout).toContain('0197-b\trunning · a red fox\n');
  });

  it('workflows, their inputs, and the ids of keys', async () => {
    expect(await valuesOf('run', '')).toEqual(['flux', 'text2img']);
    expect(await completed('run', 'flux', '--input', '')).toEqual({
      values: ['prompt=', 'image='],
      directive: 2 + 4 + 32,
    });
    expect(await valuesOf('run', 'flux', '--file', '')).toEqual(['image=@']);
    await run(['keys', 'create', 'acme', '--file', join(dir, 'keys.json')]);
    expect(await valuesOf('keys', 'revoke', '--file', join(dir, 'keys.json'), '')).toEqual(['acme']);
  });

  it('file names, which it looks up itself', async () => {
    expect(await completed('img2img', '')).toEqual({ values: [], directive: 0 });
    expect((await completed('generate', '--from', 'a')).directive).toBe(0);
    expect((await completed('generate', 'a')).directive).toBe(4);
  });

  it('nothing if the API does not answer', async () => {
    expect(await valuesOf('get', '--url', 'http://127.0.0.1:9', '')).toEqual([]);
  });
});
