import { cp, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Health, WorkflowAnswer, WorkflowList } from '@comfy-fleet/contracts';
import { removeFolder, until } from '@comfy-fleet/testing';
import { expect, inject, it, onTestFinished } from 'vitest';
import { startApi } from './api.js';

const FOLDER = resolve(import.meta.dirname, '../../../workflows');
const upscale = (size: number) =>
  JSON.stringify({
    1: { class_type: 'LoadImage', inputs: { image: 'a.png' } },
    2: { class_type: 'ImageScale', inputs: { image: ['1', 0], width: size, height: size } },
    3: { class_type: 'SaveImage', inputs: { images: ['2', 0], filename_prefix: 'x' } },
  });

async function open() {
  const dir = await mkdtemp(join(tmpdir(), 'workflows-'));
  await cp(FOLDER, dir, { recursive: true });
  const api = await startApi(inject('redisUrl'), { env: { WORKFLOWS_DIR: dir } });
  onTestFinished(async () => {
    await api.close();
    await removeFolder(dir);
  });
  const list = async () => (await (await api.get('/workflows')).json()) as WorkflowList;
  const versionOf = async (name: string) => (await list()).data.find((one) => one.name === name)?.version;
  // Renames a complete file into place, because the API might read a half-written one.
  const write = async (file: string, text: string) => {
    await writeFile(`${dir}.new`, text);
    await rename(`${dir}.new`, join(dir, file));
  };
  return { api, dir, list, versionOf, write };
}

it('serves a file that is added, changed and deleted at run time', async () => {
  const { api, dir, versionOf, write } = await open();
  await write('upscale.json', upscale(2048));
  await until('the file to be served', async () => (await versionOf('upscale')) !== undefined);
  const before = await versionOf('upscale');
  await write('upscale.json', upscale(4096));
  await until('the change to be served', async () => (await versionOf('upscale')) !== before);
  await write('upscale.inputs.json', JSON.stringify({ description: 'Larger' }));
  await until(
    'the inputs file to be served',
    async () => ((await (await api.get('/workflows/upscale')).json()) as WorkflowAnswer).description === 'Larger',
  );
  await rm(join(dir, 'upscale.inputs.json'));
  await rm(join(dir, 'upscale.json'));
  await until('the file to be removed', async () => (await versionOf('upscale')) === undefined);
});

it('serves the last good version of a broken file, and reports the fault', async () => {
  const { api, list, versionOf, write } = await open();
  const before = await versionOf('text2img');
  await write('text2img.json', '{"nodes": [], "links": []}');
  await until('the fault to be listed', async () => (await list()).faults.length > 0);
  const [fault] = (await list()).faults;
  expect(fault).toMatchObject({ source: 'folder', name: 'text2img', detail: expect.stringContaining('Export (API)') });
  expect(await versionOf('text2img')).toBe(before);
  expect(((await (await api.get('/health')).json()) as Health).reasons).toContainEqual(
    expect.stringContaining('Export (API)'),
  );
  expect(api.logged.filter(({ message }) => /workflows cannot be used/.test(String(message)))).toHaveLength(1);
  await api.accepted();
});
