import type { TestStack } from '@comfy-fleet/testing';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { expectAccessible, hasChromium, visit } from './browser.js';
import { type KeyedStudio, keyOf, startKeyedStudio } from './keyed-studio.js';

const KEY = keyOf('studio');

let studio: KeyedStudio;
let stack: TestStack;
let browser: Browser;

describe.skipIf(!hasChromium)('the studio of a fleet with keys', () => {
  beforeAll(async () => {
    studio = await startKeyedStudio({ keys: { studio: ['jobs'] } });
    ({ stack, browser } = studio);
  });
  afterAll(() => studio?.close());

  it('asks for a key once, keeps it in the tab, shows pictures by signed links, and forgets the key', async () => {
    const { page, context, complaints } = await visit(browser, `${stack.url}/studio/make`);
    const field = page.getByLabel('API key');
    await field.waitFor();
    await expectAccessible(page);
    await field.fill('cf_wrong');
    await page.getByRole('button', { name: 'Continue' }).click();
    await page.getByText('The API does not know this key').waitFor();
    await field.fill(KEY);
    await page.getByRole('button', { name: 'Continue' }).click();
    await page.getByLabel('Prompt', { exact: true }).fill('a harbour');
    await page.getByRole('button', { name: 'Make it' }).click();
    const picture = page.getByRole('img', { name: 'a harbour' });
    await picture.waitFor();
    await page.reload();
    const width = () => page.evaluate("document.querySelector('article img')?.naturalWidth ?? 0");
    await expect.poll(width).toBeGreaterThan(0);
    expect(await picture.getAttribute('src')).toContain('signature=');
    expect(await page.evaluate('localStorage.length')).toBe(1); // the theme
    await page.getByRole('button', { name: 'Forget key' }).click();
    await field.waitFor();
    expect(await page.evaluate('sessionStorage.length')).toBe(0);
    // the browser itself complains about each 401
    expect(complaints.filter((text) => !text.includes('401'))).toEqual([]);
    await context.close();
  });

  it('forgets a remembered key in all tabs of the browser', async () => {
    const { page, context } = await visit(browser, `${stack.url}/studio/make`);
    const field = page.getByLabel('API key');
    await field.fill(KEY);
    await page.getByLabel('Remember it on this browser').check();
    await page.getByRole('button', { name: 'Continue' }).click();
    const other = await context.newPage();
    await other.goto(`${stack.url}/studio/make`);
    await other.getByLabel('Prompt', { exact: true }).fill('a secret');
    await page.getByRole('button', { name: 'Forget key' }).click();
    await other.getByLabel('API key').waitFor();
    expect(await other.evaluate('sessionStorage.length')).toBe(0);
    await context.close();
  });

  it("shows the key's workflows in the documentation once the key is entered there", async () => {
    const { page, context, complaints } = await visit(browser, `${stack.url}/docs`);
    const workflow = page.getByText('Run text2img');
    await page.getByText('Run any workflow').first().waitFor();
    expect(await workflow.count()).toBe(0);
    await page.getByRole('button', { name: 'Authorize' }).click();
    await page.getByLabel('auth-bearer-value').fill(KEY);
    await page.getByRole('button', { name: 'Apply credentials' }).first().click();
    await workflow.waitFor();
    expect(complaints).toEqual([]);
    await context.close();
  });
});
