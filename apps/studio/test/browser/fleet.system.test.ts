import { Fleet } from '@comfy-fleet/client';
import type { Simulator, TestStack } from '@comfy-fleet/testing';
import type { Browser, Locator, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { expectAccessible, hasChromium, press, visit } from './browser.js';
import { type KeyedStudio, keyOf, startKeyedStudio } from './keyed-studio.js';

const KEYS = { ops: ['jobs', 'admin'], web: ['jobs'] };
const REQUEST = { prompt: 'a lighthouse', lod: 'sketch', width: 64, height: 64 } as const;

let studio: KeyedStudio;
let stack: TestStack;
let browser: Browser;
let simulators: readonly Simulator[];

const fleetOf = (key: keyof typeof KEYS) => new Fleet({ url: stack.url, key: keyOf(key) });

describe.skipIf(!hasChromium)('the page of the fleet', () => {
  beforeAll(async () => {
    studio = await startKeyedStudio({ keys: KEYS, instances: 2, env: { HISTORY_STEP_SECONDS: '5' } });
    ({ stack, browser, simulators } = studio);
    await stack.startDispatcher();
  });
  afterEach(() => {
    for (const { faults } of simulators) faults.remove();
  });
  afterAll(() => studio?.close());

  it('shows what ran on each instance, by pointer and keyboard, and opens the job', async () => {
    const { page, context, complaints } = await open('/studio/fleet');
    const [own, other] = [await fleetOf('ops').generate(REQUEST), await fleetOf('web').generate(REQUEST)];
    await Promise.all([own.wait(), other.wait()]);
    await findOf(page, other.snapshot.instance, 'web');
    await page.getByText('Only its own key can open this job.').waitFor();
    await findOf(page, own.snapshot.instance, 'ops');
    await page.getByText('Click, tap again or press Enter to open the job.').waitFor();
    await expectAccessible(page);
    await page.emulateMedia({ colorScheme: 'dark' });
    await expectAccessible(page);
    await page.keyboard.press('Enter');
    await page.waitForURL(`**/gallery/${own.id}`);
    expect(grave(complaints)).toEqual([]);
    await context.close();
  });

  it('says what a pause and a drain will do, does it, and undoes it', async () => {
    // None ends before it is canceled.
    for (const { faults } of simulators) faults.add({ kind: 'hang' });
    const jobs = await fleetOf('web').batch(Array.from({ length: 6 }, () => REQUEST));
    const { page, context, complaints } = await open('/studio/fleet', 400);
    await page.getByText('2 jobs run,').waitFor();
    await press(page.getByRole('button', { name: 'Drain gpu/1' }));
    const dialog = page.getByRole('dialog');
    await dialog.getByText('The job that runs on it will be finished.').waitFor();
    await dialog.getByText('which has 1 other instance up').waitFor();
    await expectAccessible(page);
    await press(dialog.getByRole('button', { name: 'Drain gpu/1' }));
    await rowOf(page, 'gpu/1').getByText('draining').waitFor();
    await press(page.getByRole('button', { name: 'Pause the fleet' }));
    await dialog.getByText('2 jobs that run will be finished.').waitFor();
    await press(dialog.getByRole('button', { name: 'Leave it as it is' }));
    expect((await fleetOf('ops').halts.get()).paused).toBeNull();
    await press(page.getByRole('button', { name: 'Pause the fleet' }));
    await press(dialog.getByRole('button', { name: 'Pause the fleet' }));
    await page.getByText('The whole fleet is paused').waitFor();
    await Promise.all(
      jobs.map((id) =>
        fleetOf('web')
          .jobs.get(id)
          .then((job) => job.cancel()),
      ),
    );
    await rowOf(page, 'gpu/1').getByText('drained').waitFor();
    await press(page.getByRole('button', { name: 'Resume gpu/1' }));
    await dialog.getByText('The whole fleet is paused too').waitFor();
    await press(dialog.getByRole('button', { name: 'Resume gpu/1' }));
    await press(page.getByRole('button', { name: 'Resume the fleet' }));
    await press(dialog.getByRole('button', { name: 'Resume the fleet' }));
    await page.getByRole('button', { name: 'Pause the fleet' }).waitFor();
    expect(await fleetOf('ops').halts.get()).toMatchObject({ paused: null, instances: [] });
    await press(page.locator('summary', { hasText: 'As a table' }).first());
    await expectAccessible(page);
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(400);
    expect(grave(complaints)).toEqual([]);
    await context.close();
  });

  it('goes on as a wall display when the API was away', async () => {
    const { page, context } = await open('/studio/fleet/wall', 1920);
    await page.getByText('2 of 2').waitFor();
    await expectAccessible(page);
    expect(await page.getByRole('button').count()).toBe(0);
    await page.route('**/fleet*', (route) => route.abort('connectionrefused'));
    await page.getByText('No answer since').waitFor();
    await page.getByText('2 of 2').waitFor();
    await page.unroute('**/fleet*');
    await page.getByText('No answer since').waitFor({ state: 'detached' });
    await context.close();
  });
});

async function open(path: string, width?: number) {
  const seen = await visit(browser, `${stack.url}${path}`, width === undefined ? {} : { width });
  const key = seen.page.getByLabel('API key');
  await key.fill(keyOf('ops'));
  await key.press('Enter'); // no pointer rests where something of the page will be
  return seen;
}

/** What was said against the page, without what the browser itself tells of each 401. */
function grave(complaints: readonly string[]): readonly string[] {
  return complaints.filter((text) => !text.includes('401'));
}

function rowOf(page: Page, instance: string): Locator {
  return page.locator(`[data-instance="${instance}"]`);
}

/** Waits until the instance's line tells of a job of that key, gone through from its end, over and over. */
async function findOf(page: Page, instance: string | null, key: string): Promise<void> {
  const lane = page.getByRole('slider', { name: `What ${instance} ran` });
  await lane.focus();
  await expect
    .poll(async () => {
      // a job that comes later is at the end, also when both ran on the same instance
      const isFirst = (await lane.getAttribute('aria-valuenow')) === '1';
      await page.keyboard.press(isFirst ? 'End' : 'ArrowLeft');
      return await lane.getAttribute('aria-valuetext');
    })
    .toContain(`key ${key}`);
}
