import { readFile } from 'node:fs/promises';
import { overridesEnv, type TestStack } from '@comfy-fleet/testing';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { expectAccessible, hasChromium, visit } from './browser.js';
import { type KeyedStudio, keyOf, startKeyedStudio } from './keyed-studio.js';

/** A graph with two samplers, so that the input `steps` is ambiguous. */
const GRAPH = new URL('../../../../packages/testing/test/graphs/two-stage-hires.json', import.meta.url);
const KEYS = { admin: ['jobs', 'admin'], guest: ['jobs'] };

let studio: KeyedStudio;
let stack: TestStack;
let browser: Browser;

describe.skipIf(!hasChromium)('the page of workflows', () => {
  beforeAll(async () => {
    // The page loads once who can run a workflow, so a slow worker must not count as gone.
    studio = await startKeyedStudio({ keys: KEYS, env: overridesEnv({ worker: { announceSeconds: 10 } }) });
    ({ stack, browser } = studio);
  });
  afterAll(() => studio?.close());

  it('opens a dropped graph, sets bounds for its inputs, tries it, publishes it, and makes a picture with it', async () => {
    const { page, context, complaints } = await signIn('admin');
    await drop(page, await readFile(GRAPH, 'utf8'));
    await page.getByRole('heading', { name: 'Inputs' }).waitFor();
    await page.getByRole('button', { name: 'Use steps of KSampler, node 7' }).click();
    const steps = page.locator('.input-row', { hasText: 'steps' });
    await steps.getByText('named here').waitFor();
    await steps.locator('summary').click();
    await steps.getByLabel('Maximum').fill('3');
    await steps.getByLabel('Name').fill('finish');
    await page.getByText('The default of finish, 14, is above its maximum 3.').first().waitFor();
    const finish = page.locator('.input-row', { hasText: 'finish' });
    await finish.getByLabel('Default').fill('2');
    await expect.poll(() => page.getByText('The default of finish').count()).toBe(0);
    await expectAccessible(page);

    const trial = page.getByRole('region', { name: 'Try it' });
    await trial.getByLabel('Prompt', { exact: true }).fill('a mill at noon');
    await trial.getByRole('button', { name: 'Try it' }).click();
    await trial.getByRole('img', { name: 'a mill at noon' }).waitFor();
    expect((await fetch(`${stack.url}/workflows/hires`, bearer('admin'))).status).toBe(404);

    await page.getByLabel('Name').first().fill('hires');
    await page.getByText('It becomes available at POST /workflows/hires').waitFor();
    await page.getByRole('button', { name: 'Publish', exact: true }).click();
    await page.getByRole('heading', { name: 'hires', exact: true }).waitFor();
    await page.getByText('its one instance can run it').waitFor();
    await expectAccessible(page);

    await page.getByRole('button', { name: 'Make with it' }).click();
    await page.getByLabel('Prompt', { exact: true }).fill('a mill at night');
    await page.getByRole('button', { name: 'Make it' }).click();
    await page.getByRole('img', { name: 'a mill at night' }).waitFor();
    expect(seriousOf(complaints)).toEqual([]);
    await context.close();
  });

  it('keeps the inputs file for a new graph, and shows differences before and after publishing it', async () => {
    const { page, context, complaints } = await signIn('admin', 'hires');
    const other = (await readFile(GRAPH, 'utf8')).replace('"batch_size": 1', '"batch_size": 2');
    await drop(page, other);
    await page.getByText("The names and settings of the current version's inputs are kept").waitFor();
    await page.locator('.input-row', { hasText: 'finish' }).locator('summary').click();
    await page.getByRole('button', { name: /^Reset/ }).click();
    await expect.poll(() => page.locator('.input-row', { hasText: 'finish' }).count()).toBe(0);
    await page.getByText('Differences from the current version').click();
    const now = page.getByRole('region', { name: 'Publish' });
    await now.getByText('batch size').waitFor();
    await page.getByRole('button', { name: 'Publish this version' }).click();
    await page.getByRole('region', { name: 'Difference' }).getByText('batch size').waitFor();
    await page.getByRole('button', { name: 'Open version' }).click();
    await page.getByRole('button', { name: 'Publish this version' }).waitFor();
    expect(seriousOf(complaints)).toEqual([]);
    await context.close();
  });

  it('explains why a file cannot be published, and how to export the right one', async () => {
    const { page, context } = await signIn('admin');
    await drop(page, '{"nodes": [], "links": []}');
    await page.getByRole('alert').getByText('Export (API)').waitFor();
    await context.close();
  });

  it('shows a key without the scope admin only inputs and outputs of workflows', async () => {
    const { page, context, complaints } = await signIn('guest');
    await page.getByRole('link', { name: 'hires' }).click();
    await page.getByRole('heading', { name: 'Outputs' }).waitFor();
    await page.getByText('seed', { exact: true }).first().waitFor();
    for (const heading of ['Who can run it', 'Versions', 'Notes']) {
      expect(await page.getByRole('heading', { name: heading }).count()).toBe(0);
    }
    for (const button of ['Edit', 'Download', 'Unpublish…']) {
      expect(await page.getByRole('button', { name: button }).count()).toBe(0);
    }
    await page.goto(`${stack.url}/studio/workflows/~new`);
    await page.getByText('an API key needs the right admin').waitFor();
    expect(seriousOf(complaints)).toEqual([]);
    await context.close();
  });

  it('unpublishes a workflow after explaining the consequences, also on a phone', async () => {
    const { page, context, complaints } = await signIn('admin', 'hires', 360);
    await page.getByRole('button', { name: 'Unpublish…' }).click();
    await page.getByText('will answer 404').waitFor();
    await expectAccessible(page);
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(360);
    await page.getByRole('button', { name: 'Unpublish hires' }).click();
    await page.getByRole('link', { name: 'text2img' }).waitFor();
    await expect.poll(() => page.getByRole('link', { name: 'hires' }).count()).toBe(0);
    expect(seriousOf(complaints)).toEqual([]);
    await context.close();
  });
});

async function signIn(key: keyof typeof KEYS, workflow = '', width = 1280) {
  const visited = await visit(browser, `${stack.url}/studio/workflows/${workflow}`, { width });
  await visited.page.getByLabel('API key').fill(keyOf(key));
  await visited.page.getByRole('button', { name: 'Continue' }).click();
  await visited.page.getByRole('heading', { name: workflow || 'Workflows', exact: true }).waitFor();
  return visited;
}

/** Filters out the browser's own complaint about each 401. */
function seriousOf(complaints: readonly string[]): string[] {
  return complaints.filter((text) => !text.includes('401'));
}

/** Drops a file onto the page. */
async function drop(page: Page, text: string): Promise<void> {
  const zone = page.locator('.drop-workflow');
  await zone.waitFor();
  const data = await page.evaluateHandle(`(() => {
    const dragged = new DataTransfer();
    dragged.items.add(new File([${JSON.stringify(text)}], 'Two stages.json', { type: 'application/json' }));
    return dragged;
  })()`);
  await zone.dispatchEvent('drop', { dataTransfer: data });
}

function bearer(key: keyof typeof KEYS) {
  return { headers: { authorization: `Bearer ${keyOf(key)}` } };
}
