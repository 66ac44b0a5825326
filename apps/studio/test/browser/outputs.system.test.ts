import { createHash } from 'node:crypto';
import { mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Job } from '@comfy-fleet/client';
import {
  PICTURE,
  removeFolder,
  type Simulator,
  startSimulator,
  startStack,
  startWebhookSink,
  type TestStack,
  type WebhookSink,
} from '@comfy-fleet/testing';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { expectAccessible, hasChromium, startBrowser, visit } from './browser.js';

const GRAPHS = new URL('../../../../packages/testing/test/graphs/', import.meta.url);
const ADMIN = 'cf_admin';
const PLAIN = 'cf_plain';
const KEYS = [
  { id: 'boss', key: ADMIN, scopes: ['jobs', 'graphs', 'admin'] },
  { id: 'plain', key: PLAIN, scopes: ['jobs'], weight: 2 },
].map(({ key, ...about }) => ({ ...about, sha256: createHash('sha256').update(key).digest('hex') }));

let folder: string;
let simulator: Simulator;
let sink: WebhookSink;
let stack: TestStack;
let browser: Browser;

async function call<T>(path: string, body: unknown, method = 'POST'): Promise<T> {
  const headers = { 'content-type': 'application/json', 'x-api-key': ADMIN, prefer: 'wait=60' };
  const answer = await fetch(stack.url + path, { method, headers, body: JSON.stringify(body) });
  expect([path, answer.ok]).toEqual([path, true]);
  return (await answer.json()) as T;
}

/** Publishes the graph of that name, with a checkpoint of the simulated ComfyUI. */
async function publish(name: string): Promise<void> {
  const text = await readFile(new URL(`${name}.json`, GRAPHS), 'utf8');
  const graph = JSON.parse(text.replaceAll(/"ckpt_name": "[^"]*"/g, '"ckpt_name": "sd_xl_base_1.0.safetensors"'));
  await call(`/workflows/${name}`, { graph }, 'PUT');
}

/** Opens a page with the key, in the dark theme. */
const open = (path: string, key = ADMIN) => visit(browser, `${stack.url}/studio${path}`, { key, isDark: true });

const jobPage = (job: Job) => `/gallery/${job.id}`;

describe.skipIf(!hasChromium)('the studio', () => {
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'comfy-fleet-outputs-'));
    const keysFile = join(folder, 'keys.json');
    await writeFile(keysFile, JSON.stringify({ keys: KEYS }));
    simulator = await startSimulator({ stepMs: 2 });
    sink = await startWebhookSink();
    stack = await startStack({
      redisUrl: inject('redisUrl'),
      env: { API_KEYS_FILE: keysFile, WEBHOOK_ALLOW: '127.0.0.0/8' },
    });
    await stack.startDispatcher();
    await stack.startWorker('gpu', [simulator.url]);
    browser = await startBrowser();
  });
  afterAll(async () => {
    await browser?.close();
    await stack?.close();
    await sink?.close();
    await simulator?.close();
    await removeFolder(folder);
  });

  it('shows the unfinished picture of a job, and delivers its webhook again', async () => {
    const { page, context, complaints } = await open('/make');
    // Enough steps that the job does not end before its preview is seen.
    simulator.set({ stepMs: 1000 });
    await page.getByText('Advanced').click();
    await page.getByLabel('Steps', { exact: true }).fill('150');
    await page.getByLabel('Prompt', { exact: true }).fill('a pier at night');
    await page.getByRole('button', { name: 'Make it' }).click();
    await page.getByRole('img', { name: 'Unfinished' }).waitFor();
    simulator.set({ stepMs: 2, previewMethod: 'none' });
    await page.getByRole('img', { name: 'a pier at night' }).waitFor();
    const job = await call<Job>('/generate', { prompt: 'told', lod: 'sketch', webhook: { url: sink.url } });
    await sink.got(1);
    await page.goto(`${stack.url}/studio${jobPage(job)}`);
    await page.getByText('delivered').waitFor();
    await page.getByRole('button', { name: 'Deliver again' }).click();
    const [first, again] = await sink.got(2);
    expect(again?.headers['webhook-id']).toBe(first?.headers['webhook-id']);
    await expectAccessible(page);
    expect(complaints).toEqual([]);
    await context.close();
  });

  it('shows texts, plays sounds and videos, and turns 3D models', async () => {
    for (const name of ['text-output', 'ace-step-audio', 'hunyuan3d-glb']) await publish(name);
    const source = await call<Job>('/generate', { prompt: 'a stone', lod: 'sketch' });
    const [text, sound, model, video] = await Promise.all([
      call<Job>('/workflows/text-output', { inputs: { subject: 'a lighthouse', style: 'in ink' } }),
      call<Job>('/workflows/ace-step-audio', { inputs: { tags: 'calm', lyrics: 'la', seconds: 2, steps: 2 } }),
      call<Job>('/workflows/hunyuan3d-glb', { inputs: { image: `job:${source.id}/0`, steps: 2 } }),
      call<Job>('/graphs', { graph: VIDEO }),
    ]);
    const { page, context, complaints } = await open(jobPage(text));
    await page.locator('pre', { hasText: 'a lighthouse' }).waitFor();
    for (const [job, player] of [
      [sound, 'audio'],
      [video, 'video'],
    ] as const) {
      await page.goto(`${stack.url}/studio${jobPage(job)}`);
      await page.locator(player).waitFor();
      await page.evaluate(`document.querySelector('${player}').muted = true`);
      await page.evaluate(`document.querySelector('${player}').play()`);
      await expect.poll(() => page.evaluate(`document.querySelector('${player}').currentTime`)).toBeGreaterThan(0);
    }
    await page.goto(`${stack.url}/studio${jobPage(model)}`);
    await page.locator('canvas[data-ready=true]').press('ArrowLeft');
    await expectAccessible(page);
    // The software renderer of 3D complains about its own speed.
    expect(complaints.filter((text) => !text.startsWith('[.WebGL'))).toEqual([]);
    await context.close();
  });

  it('accepts files that are dropped, pasted or chosen from the gallery, and painted masks', async () => {
    await publish('inpaint-mask');
    const { page, context, complaints } = await open('/make');
    await page.getByLabel('Workflow').selectOption('inpaint-mask');
    await page.getByLabel('Prompt', { exact: true }).fill('a door');
    const chosen = page.getByRole('img', { name: 'Chosen for image' });
    await hand(page, '.field.drop', 'drop');
    await chosen.waitFor();
    await page.getByRole('button', { name: 'Remove image' }).click();
    await hand(page, 'body', 'paste');
    await chosen.waitFor();
    await page.getByRole('button', { name: 'From the gallery' }).first().click();
    await page.locator('.choice img').first().waitFor();
    await expectAccessible(page);
    await page.locator('.choice').first().click();
    await expect.poll(() => chosen.getAttribute('src')).toContain('/images/');
    await page.getByRole('button', { name: 'Paint a mask' }).click();
    const mask = page.getByRole('application', { name: 'Painted mask' });
    await mask.press('Space');
    await mask.press('Shift+ArrowRight');
    const middle = `{
      const copy = new OffscreenCanvas(1, 1).getContext('2d');
      copy.drawImage(document.querySelector('.painter-mask'), 256, 160, 1, 1, 0, 0, 1, 1);
      copy.getImageData(0, 0, 1, 1).data[3];
    }`;
    await page.getByRole('button', { name: 'Undo' }).click();
    await expect.poll(() => page.evaluate(middle)).toBe(255);
    await expectAccessible(page);
    await page.getByRole('button', { name: 'Use this mask' }).click();
    await page.getByRole('img', { name: 'Chosen for mask' }).waitFor();
    await page.getByRole('button', { name: 'Make it' }).click();
    await page.getByRole('img', { name: 'a door' }).waitFor();
    await page.getByRole('link', { name: 'a door' }).click();
    // The mask has the size of its picture.
    await expect.poll(() => page.getByText(/\.png, 512 × 320$/).count()).toBe(2);
    expect(complaints).toEqual([]);
    await context.close();
  });

  it('shows a key its usage and limits, and admins every key', async () => {
    const own = await open('/usage', PLAIN);
    await own.page.getByRole('img', { name: /GPU time by day/ }).waitFor();
    expect(await own.page.locator('table.keys').count()).toBe(0);
    expect(await own.page.getByRole('link', { name: 'Fleet' }).count()).toBe(0);
    await own.page.goto(`${stack.url}/studio/fleet`);
    await own.page.getByText('which plain does not have').waitFor();
    expect(own.complaints).toEqual([]);
    await own.context.close();

    const { page, context, complaints } = await open('/usage');
    await page.getByRole('img', { name: /GPU time by day/ }).waitFor(); // it is above the keys
    const names = () => page.locator('table.keys tbody th').allInnerTexts();
    await expect.poll(names).toEqual(['boss', 'plain']);
    await page.getByRole('button', { name: 'Weight' }).click();
    await expect.poll(names).toEqual(['plain', 'boss']);
    await page.getByText('As a table').click();
    await expectAccessible(page);
    await page.getByRole('link', { name: 'boss' }).click();
    await page.getByRole('heading', { name: 'Usage of boss' }).waitFor();
    expect(complaints).toEqual([]);
    await context.close();
  });

  it('says what to do if a part of the studio is gone after an upgrade', async () => {
    const { page, context } = await open('/make');
    await page.route('**/gallery-page-*.js', (route) => route.fulfill({ status: 404 }));
    await page.getByRole('link', { name: 'Gallery' }).click();
    await page.getByText('The studio was updated since you opened it').waitFor();
    await page.unroute('**/gallery-page-*.js');
    await page.getByRole('button', { name: 'Reload' }).click();
    await page.locator('.tile').first().waitFor();
    await expectAccessible(page);
    await context.close();
  });
});

const VIDEO = {
  1: { class_type: 'EmptyImage', inputs: { width: 64, height: 64, batch_size: 16, color: 255 } },
  2: { class_type: 'CreateVideo', inputs: { images: ['1', 0], fps: 8 } },
  3: { class_type: 'SaveVideo', inputs: { video: ['2', 0], filename_prefix: 'v', format: 'auto', codec: 'auto' } },
};

/** Drops or pastes a picture as a browser does. */
async function hand(page: Page, selector: string, how: 'drop' | 'paste'): Promise<void> {
  const [event, field] = how === 'drop' ? ['DragEvent', 'dataTransfer'] : ['ClipboardEvent', 'clipboardData'];
  await page.evaluate(`{
    const transfer = new DataTransfer();
    const bytes = Uint8Array.from(atob('${PICTURE}'), (char) => char.charCodeAt(0));
    transfer.items.add(new File([bytes], 'handed.png', { type: 'image/png' }));
    const init = { bubbles: true, cancelable: true, ${field}: transfer };
    document.querySelector('${selector}').dispatchEvent(new ${event}('${how}', init));
  }`);
}
