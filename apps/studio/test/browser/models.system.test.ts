import { once } from 'node:events';
import { mkdir, mkdtemp } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { removeFolder, type TestStack } from '@comfy-fleet/testing';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { expectAccessible, hasChromium, press, visit } from './browser.js';
import { type KeyedStudio, keyOf, startKeyedStudio } from './keyed-studio.js';

const KEYS = { admin: ['jobs', 'admin'], guest: ['jobs'] };
/** An empty safetensors file: the length of its header, and the header. */
const FILE = Buffer.concat([Buffer.from([2, 0, 0, 0, 0, 0, 0, 0]), Buffer.from('{}')]);

let source: Server;
let folder: string;
let studio: KeyedStudio;
let stack: TestStack;
let browser: Browser;

describe.skipIf(!hasChromium)('the page of models', () => {
  beforeAll(async () => {
    source = createServer((request, response) => {
      if (request.url === '/loras/detail.safetensors') response.end(FILE);
      else response.writeHead(404).end();
    }).listen(0, '127.0.0.1');
    await once(source, 'listening');
    folder = await mkdtemp(join(tmpdir(), 'comfy-fleet-studio-models-'));
    await mkdir(join(folder, 'loras'));
    const env = { COMFYUI_MODELS_DIR: folder, MODEL_SOURCE_ALLOW: `127.0.0.1:${portOfSource()}` };
    studio = await startKeyedStudio({ keys: KEYS, env });
    ({ stack, browser } = studio);
  });
  afterAll(async () => {
    await studio?.close();
    source?.close();
    await removeFolder(folder);
  });

  it('registers a model by its source, shows its fetch, and deletes it after explaining the consequences', async () => {
    const { page, context, complaints } = await visit(browser, `${stack.url}/studio/models`, { key: keyOf('admin') });
    await page.getByRole('list', { name: 'Model folders' }).getByText('gpu').waitFor();
    await page.getByText('No models are registered').waitFor();
    expect(await page.getByRole('list', { name: 'Models', exact: true }).count()).toBe(0);
    await page.getByRole('button', { name: 'Add a model…' }).click();
    await page.getByLabel('Sources').fill(sourceOf('loras/detail.safetensors'));
    expect(await page.getByLabel('Kind').inputValue()).toBe('loras');
    expect(await page.getByLabel('Name', { exact: false }).inputValue()).toBe('detail.safetensors');
    await expectAccessible(page);
    await page.getByRole('button', { name: 'Add', exact: true }).click();
    const row = page.locator('[data-model="loras/detail.safetensors"]');
    await row.locator('[data-state=ready]').getByText('verified').waitFor();
    await expectAccessible(page);
    await press(row.getByRole('button', { name: 'Delete detail.safetensors' }));
    await page.getByText('Workers delete the copies that they fetched').waitFor();
    await page.getByRole('dialog').getByRole('button', { name: 'Delete detail.safetensors' }).click();
    await expect.poll(() => row.count()).toBe(0);
    expect(complaints).toEqual([]);
    await context.close();
  });

  it('says why a source refuses, and shows a key without the scope admin neither sources nor buttons', async () => {
    const headers = { authorization: `Bearer ${keyOf('admin')}`, 'content-type': 'application/json' };
    const url = `${stack.url}/models/vae/secret.safetensors`;
    const body = JSON.stringify({ sources: [sourceOf('vae/secret.safetensors')] });
    expect((await fetch(url, { method: 'PUT', headers, body })).status).toBe(201);
    await fetch(`${url}/fetch`, { method: 'POST', headers, body: '{}' });
    const { page, context, complaints } = await visit(browser, `${stack.url}/studio/models`, {
      key: keyOf('guest'),
      width: 360,
    });
    const row = page.locator('[data-model="vae/secret.safetensors"]');
    await row.locator('[data-state=failed]').getByText('The source refuses the request').waitFor();
    expect(await page.getByRole('button', { name: /^(Add|Fetch|Verify|Delete)/ }).count()).toBe(0);
    expect(await page.getByText('127.0.0.1').count()).toBe(0);
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(360);
    const { x = 0, width = 0 } = (await page.getByRole('link', { name: 'Models' }).boundingBox()) ?? {};
    expect(x + width).toBeLessThanOrEqual(360);
    await expectAccessible(page);
    expect(complaints).toEqual([]);
    await context.close();
  });
});

const portOfSource = () => (source.address() as AddressInfo).port;
const sourceOf = (path: string) => `http://127.0.0.1:${portOfSource()}/${path}`;
