import { createServer, request as forward, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gunzipSync, gzipSync } from 'node:zlib';
import { createGpus, type Gpus, PICTURE, type Simulator, startStack, type TestStack } from '@comfy-fleet/testing';
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from 'vitest';
import { expectAccessible, hasChromium, startBrowser, visit } from './browser.js';

const MOST_BYTES = 250 * 1024;

let gpus: Gpus;
let simulator: Simulator;
let stack: TestStack;

beforeAll(async () => {
  gpus = await createGpus();
  simulator = await gpus.start(2);
  stack = await startStack({ redisUrl: inject('redisUrl'), env: { WEBHOOK_ALLOW: '127.0.0.0/8' } });
  await stack.startDispatcher();
  await stack.startWorker('gpu', [simulator.url]);
});
afterEach(() => simulator.faults.remove());
afterAll(async () => {
  await stack.close();
  await gpus.close();
});

describe('the studio, served by the API', () => {
  it('is where GET / redirects browsers, while programs get the index', async () => {
    const browser = await fetch(stack.url, { headers: { accept: 'text/html,*/*' }, redirect: 'manual' });
    expect([browser.status, browser.headers.get('location')]).toEqual([302, 'studio/']);
    expect(await (await fetch(stack.url)).json()).toMatchObject({ name: 'comfy-fleet' });
    const bare = await fetch(`${stack.url}/studio`, { redirect: 'manual' });
    expect([bare.status, bare.headers.get('location')]).toEqual([308, 'studio/']);
  });

  it('is served with immutable files, an uncached page, and a policy against foreign scripts', async () => {
    const page = await fetch(`${stack.url}/studio/gallery/x`);
    const html = await page.text();
    expect(page.headers.get('cache-control')).toBe('no-cache');
    expect(html).toContain('<base href="../" />');
    expect(html).not.toMatch(/<script(?![^>]* src=)|<style| style=| on\w+=/);
    const policy = page.headers.get('content-security-policy') ?? '';
    expect(policy).toContain("script-src 'self'; style-src 'self'");
    expect(policy).not.toContain('unsafe');
    const again = await fetch(`${stack.url}/studio/gallery/x`, {
      headers: { 'if-none-match': page.headers.get('etag') ?? '', 'cache-control': 'max-age=0' },
    });
    expect(again.status).toBe(304);
    for (const name of filesOf(html)) {
      const file = await fetch(`${stack.url}/studio/${name}`);
      expect(file.headers.get('cache-control')).toBe('public, max-age=31536000, immutable');
      expect(file.headers.get('content-encoding')).toBe('gzip');
    }
    expect((await fetch(`${stack.url}/studio/assets/..%2F..%2Fpackage.json`)).status).toBe(404);
  });

  it('loads at most 250 KiB', async () => {
    const html = await (await fetch(`${stack.url}/studio/`)).text();
    const sizes = filesOf(html).map(async (name) => {
      const response = await fetch(`${stack.url}/studio/${name}`);
      return gzipSync(Buffer.from(await response.arrayBuffer())).length;
    });
    const sum = (await Promise.all(sizes)).reduce((a, b) => a + b, gzipSync(html).length);
    console.log(`first load: ${(sum / 1024).toFixed(1)} KiB`);
    expect(sum).toBeLessThanOrEqual(MOST_BYTES);
    expect(gunzipSync(gzipSync(html)).toString()).toBe(html);
  });

  it('does not exist if it is off', async () => {
    const off = await startStack({ redisUrl: inject('redisUrl'), env: { STUDIO: 'off' } });
    const [page, index] = await Promise.all([
      fetch(`${off.url}/studio/`),
      fetch(off.url, { headers: { accept: 'text/html' } }),
    ]);
    expect([page.status, index.status]).toEqual([404, 200]);
    await off.close();
  });
});

describe.skipIf(!hasChromium)('the studio, in a browser', () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await startBrowser();
  });
  afterAll(() => browser?.close());

  it('makes a picture, shows its progress, refines and varies it, and keeps all jobs after a reload', async () => {
    simulator.faults.add({ kind: 'hang' });
    const { page, context, complaints } = await visit(browser, stack.url);
    await page.waitForURL('**/studio/make');
    await page.getByRole('button', { name: 'Make it' }).click();
    await page.getByText('Enter a value').waitFor();
    await page.getByLabel('Prompt', { exact: true }).fill('a lighthouse in ink');
    await page.getByRole('button', { name: 'Make it' }).click();
    const jobs = page.getByRole('article', { name: 'a lighthouse in ink' });
    await jobs.first().getByRole('progressbar').waitFor();
    simulator.faults.remove();
    await jobs.first().getByRole('img', { name: 'a lighthouse in ink' }).waitFor();
    await jobs.first().getByRole('button', { name: 'Refine to mid' }).click();
    await page.locator('article', { hasText: 'Mid' }).getByRole('img', { name: 'a lighthouse in ink' }).waitFor();
    await jobs.last().getByRole('button', { name: 'Vary' }).click();
    await expect.poll(() => page.locator('article img[alt="a lighthouse in ink"]').count()).toBe(3);
    await expect.poll(async () => new Set(await seedsOf(page)).size).toBe(2);
    await page.reload();
    await expect.poll(() => page.locator('article img[alt="a lighthouse in ink"]').count()).toBe(3);
    await jobs.first().getByRole('button', { name: 'curl' }).click();
    await expect.poll(() => page.evaluate('navigator.clipboard.readText()')).toContain('/generate');
    await expectAccessible(page);
    expect(complaints).toEqual([]);
    await context.close();
  });

  it('makes pictures from a local file and from an earlier picture', async () => {
    const { page, context, complaints } = await visit(browser, `${stack.url}/studio/make`);
    await page.getByLabel('Workflow').selectOption('img2img');
    await page
      .getByLabel('Image')
      .setInputFiles({ name: 'a.png', mimeType: 'image/png', buffer: Buffer.from(PICTURE, 'base64') });
    await page.getByLabel('Prompt', { exact: true }).fill('the same in snow');
    await page.getByRole('button', { name: 'Make it' }).click();
    const made = page.getByRole('article', { name: 'the same in snow' });
    await made.getByRole('img', { name: 'the same in snow' }).waitFor();
    // Content that loads late must not move the button.
    const come = await heldBack(page, /\/images\/.*[?&]width=256/);
    await made.getByRole('button', { name: 'Use as input' }).click();
    const place = () => page.getByRole('button', { name: 'Make it' }).boundingBox();
    const before = await place();
    come();
    const shown = () => page.evaluate(`document.querySelector('.chosen').currentSrc`);
    await expect.poll(shown).toContain('width=256');
    expect(await place()).toEqual(before);
    await page.getByLabel('Prompt', { exact: true }).fill('and at night');
    await page.getByRole('button', { name: 'Make it' }).click();
    await page.getByRole('img', { name: 'and at night' }).waitFor();
    await page.getByText('Advanced').click();
    const widthOf = async (name: string) => (await page.getByRole('combobox', { name }).boundingBox())?.width ?? 0;
    expect(await widthOf('Checkpoint')).toBeGreaterThan(1.5 * (await widthOf('Scheduler')));
    await expectAccessible(page);
    expect(complaints).toEqual([]);
    await context.close();
  });

  it('lists all jobs, shows one with its family, and compares two levels of detail', async () => {
    const { page, context, complaints } = await visit(browser, `${stack.url}/studio/gallery`, { width: 340 });
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(340);
    await page.getByLabel('Level of detail').selectOption('mid');
    await expect.poll(() => page.locator('.tile').count()).toBe(1);
    await expectAccessible(page);
    await page.locator('.tile').first().click();
    await page.getByRole('heading', { name: 'a lighthouse in ink' }).waitFor();
    await page.getByText('This one').waitFor();
    await page.getByRole('button', { name: 'Compare' }).first().click();
    await page.getByRole('slider').press('Home');
    await page.getByRole('img', { name: 'Before: Sketch' }).waitFor();
    await page.getByText('Time of each node').click();
    await expectAccessible(page);
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(340);
    await page.getByRole('button', { name: 'Stop comparing' }).first().click();
    await page.getByRole('slider').waitFor({ state: 'detached' });
    await page.getByText('This one').waitFor();
    expect(complaints).toEqual([]);
    await context.close();
  });

  it('fits a long prompt without spaces on a phone', async () => {
    const prompt = 'x'.repeat(900);
    const headers = { 'content-type': 'application/json' };
    const answer = await fetch(`${stack.url}/generate`, { method: 'POST', headers, body: JSON.stringify({ prompt }) });
    const { id } = (await answer.json()) as { readonly id: string };
    const { page, context, complaints } = await visit(browser, `${stack.url}/studio/gallery/${id}`, { width: 340 });
    await page.getByRole('heading', { name: prompt }).waitFor();
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(340);
    expect(complaints).toEqual([]);
    await context.close();
  });

  it('keeps the form while the API is down, and after a reload', async () => {
    const { page, context } = await visit(browser, `${stack.url}/studio/make`);
    const prompt = page.getByLabel('Prompt', { exact: true });
    const final = page.locator('[data-rung="2"] input');
    await prompt.fill('a draft of a mill');
    await final.check();
    let refused = 0;
    await page.route('**/workflows/text2img', (route) => {
      refused += 1;
      return route.abort('connectionrefused');
    });
    // The client tries twice; then the page shows the failure, and retries by itself.
    const isBack = async () => {
      await page.evaluate("dispatchEvent(new Event('visibilitychange'))");
      return refused;
    };
    await expect.poll(isBack).toBeGreaterThan(2);
    expect(await prompt.inputValue({ timeout: 10_000 })).toBe('a draft of a mill');
    await page.reload();
    await page.getByRole('alert').first().waitFor();
    await page.getByLabel('Workflow').waitFor();
    await page.unroute('**/workflows/text2img');
    await prompt.waitFor();
    expect([await prompt.inputValue(), await final.isChecked()]).toEqual(['a draft of a mill', true]);
    await context.close();
  });

  it('keeps the last preview until the picture itself is drawn', async () => {
    await setSimulator({ preview_method: 'latent2rgb', step_ms: 1000 });
    const { page, context, complaints } = await visit(browser, `${stack.url}/studio/make`);
    const come = await heldBack(page, /\/images\/.*[?&]width=512/);
    await page.getByLabel('Prompt', { exact: true }).fill('a slow lighthouse');
    await page.locator('[data-rung="2"] input').check();
    await page.getByRole('button', { name: 'Make it' }).click();
    const card = page.getByRole('article', { name: 'a slow lighthouse' });
    await card.getByRole('img', { name: 'Unfinished' }).waitFor();
    await setSimulator({ preview_method: 'none', step_ms: 2 });
    await page.locator('article[data-status="succeeded"]', { hasText: 'a slow lighthouse' }).waitFor();
    const preview = card.locator('.preview');
    expect(await preview.isVisible()).toBe(true);
    come();
    await preview.waitFor({ state: 'detached' });
    expect(await page.evaluate("document.querySelector('article img').naturalWidth")).toBe(512);
    expect(complaints).toEqual([]);
    await context.close();
  });

  it('copies code, also over plain HTTP, where browsers have no clipboard API', async () => {
    const { page, context } = await visit(browser, `${stack.url}/studio/make`);
    await page.getByLabel('Prompt', { exact: true }).fill('a copied lighthouse');
    const form = page.locator('form');
    await form.getByRole('button', { name: 'Python' }).click();
    await form.getByText('Copied as Python').waitFor();
    await page.evaluate("Object.defineProperty(navigator, 'clipboard', { value: undefined, configurable: true })");
    await form.getByRole('button', { name: 'curl' }).click();
    await form.getByText('Copied as curl').waitFor();
    await page.evaluate('delete navigator.clipboard');
    expect(await page.evaluate('navigator.clipboard.readText()')).toContain(`curl '${stack.url}/generate'`);
    await form.getByText('Copied as curl').waitFor({ state: 'detached' });
    await context.close();
  });

  it("redirects a job's API path to its page, and says why a filter is not applied", async () => {
    const { page, context, complaints } = await visit(browser, `${stack.url}/studio/jobs/${await anyJob()}`);
    await page.waitForURL('**/studio/gallery/*');
    await page.getByRole('link', { name: 'All jobs' }).click();
    await page.getByLabel('Metadata').fill('order');
    await page.getByText('write name=value').waitFor();
    await expectAccessible(page);
    await page.getByLabel('Metadata').fill('order=7');
    await page.getByText('No jobs found.').waitFor();
    expect(await page.getByText('write name=value').count()).toBe(0);
    expect(complaints).toEqual([]);
    await context.close();
  });

  it('works below the prefix of a proxy', async () => {
    const proxy = await prefixProxy('/pictures', stack.url);
    const { port } = proxy.address() as AddressInfo;
    const { page, context, complaints } = await visit(browser, `http://127.0.0.1:${port}/pictures/studio/gallery`);
    await page.locator('.tile img').first().waitFor();
    expect(await page.locator('.tile img').first().getAttribute('src')).toContain('/pictures/images/');
    await page.getByRole('link', { name: 'Make' }).click();
    await page.getByLabel('Prompt', { exact: true }).waitFor();
    await page.waitForURL('**/pictures/studio/make');
    expect(complaints).toEqual([]);
    await context.close();
    proxy.closeAllConnections();
    proxy.close();
  });
});

async function setSimulator(settings: object): Promise<void> {
  const headers = { 'Content-Type': 'application/json' };
  const body = JSON.stringify(settings);
  const { status } = await fetch(`${simulator.url}/simulator/settings`, { method: 'PATCH', headers, body });
  expect(status).toBe(200);
}

async function anyJob(): Promise<string> {
  const { data } = (await (await fetch(`${stack.url}/jobs`)).json()) as { data: { id: string }[] };
  return data[0]?.id ?? '';
}

/** Holds such requests back until the returned function is called. */
async function heldBack(page: Page, url: RegExp): Promise<() => void> {
  let release = () => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  await page.route(url, async (route) => {
    await held;
    await route.continue();
  });
  return release;
}

function filesOf(html: string): string[] {
  return [...html.matchAll(/(?:src|href)="\.\/(assets\/[^"]+)"/g)].map(([, name = '']) => name);
}

async function seedsOf(page: Page): Promise<(string | undefined)[]> {
  const texts = await page.locator('article').allInnerTexts();
  return texts.map((text) => /seed (\d+)/.exec(text)?.[1]);
}

/** A proxy that serves another address below a path. */
async function prefixProxy(prefix: string, to: string): Promise<Server> {
  const server = createServer((incoming, outgoing) => {
    const path = incoming.url?.slice(prefix.length) ?? '/';
    const { method = 'GET', headers } = incoming;
    // each request has its own connection, since a kept one may close just as it is reused
    const options = { method, agent: false, headers: { ...headers, host: new URL(to).host } } as const;
    const passed = forward(to + path, options, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(outgoing);
    });
    passed.on('error', () => outgoing.destroy());
    incoming.pipe(passed);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}
