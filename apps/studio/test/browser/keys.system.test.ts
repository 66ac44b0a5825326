import { createHash } from 'node:crypto';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createGpus, type Gpus, removeFolder, startStack, type TestStack } from '@comfy-fleet/testing';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { expectAccessible, hasChromium, startBrowser, visit } from './browser.js';

const KEY = 'cf_studio';

let folder: string;
let gpus: Gpus;
let stack: TestStack;
let browser: Browser;

describe.skipIf(!hasChromium)('the studio of a fleet with keys', () => {
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'comfy-fleet-keys-'));
    const keysFile = join(folder, 'keys.json');
    const sha256 = createHash('sha256').update(KEY).digest('hex');
    await writeFile(keysFile, JSON.stringify({ keys: [{ id: 'studio', sha256, scopes: ['jobs'] }] }));
    gpus = await createGpus();
    stack = await startStack({
      redisUrl: inject('redisUrl'),
      env: { API_KEYS_FILE: keysFile },
    });
    await stack.startWorker('gpu', [(await gpus.start(2)).url]);
    browser = await startBrowser();
  });
  afterAll(async () => {
    await browser?.close();
    await stack?.close();
    await gpus?.close();
    await removeFolder(folder);
  });

  it('asks for one once, keeps it in the tab, shows pictures by signed links, and forgets it', async () => {
    const { page, context, complaints } = await visit(browser, `${stack.url}/studio/make`);
    const field = page.getByLabel('API key');
    await field.waitFor();
    await expectAccessible(page);
    await field.fill('cf_wrong');
    await page.getByRole('button', { name: 'Continue' }).click();
    await page.getByText('This key is not known here').waitFor();
    await field.fill(KEY);
    await page.getByRole('button', { name: 'Continue' }).click();
    await page.getByLabel('Prompt', { exact: true }).fill('a harbour');
    await page.getByRole('button', { name: 'Make it' }).click();
    const picture = page.getByRole('img', { name: 'a harbour' });
    await picture.waitFor();
    await page.reload();
    const width = () => page.evaluate("document.querySelector('article img')?.naturalWidth ?? 0");
    await expect.poll(width, { timeout: 60_000 }).toBeGreaterThan(0);
    expect(await picture.getAttribute('src')).toContain('signature=');
    expect(await page.evaluate('localStorage.length')).toBe(1); // the theme
    await page.getByRole('button', { name: 'Forget key' }).click();
    await field.waitFor();
    expect(await page.evaluate('sessionStorage.length')).toBe(0);
    // the browser itself tells of each 401
    expect(complaints.filter((text) => !text.includes('401'))).toEqual([]);
    await context.close();
  });
});
