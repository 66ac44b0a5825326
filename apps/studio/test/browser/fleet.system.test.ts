import { Fleet } from '@comfy-fleet/client';
import { overridesEnv, type Simulator, type TestStack } from '@comfy-fleet/testing';
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
    studio = await startKeyedStudio({ keys: KEYS, instances: 2, env: overridesEnv({ past: { stepSeconds: 5 } }) });
    ({ stack, browser, simulators } = studio);
    await stack.startDispatcher();
  });
  afterEach(() => {
    for (const { faults } of simulators) faults.remove();
  });
  afterAll(() => studio?.close());

  it('shows the timeline of each instance by pointer and keyboard, and opens a job', async () => {
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

  it('says for each instance whether texts are encoded ahead, and what to do if not', async () => {
    const { page, context } = await open('/studio/fleet');
    const off =
      'Encode-ahead: off, ComfyUI keeps too few results: start it with --cache-ram 4 4 (0.33 or newer) or --cache-lru 64';
    for (const name of ['gpu/1', 'gpu/2']) await rowOf(page, name).getByText(off).waitFor();
    await context.close();
  });

  it('explains a pause and a drain, applies them, and resumes', async () => {
    // These jobs run until they are canceled.
    for (const { faults } of simulators) faults.add({ kind: 'hang' });
    const jobs = await fleetOf('web').batch(Array.from({ length: 6 }, () => REQUEST));
    const { page, context, complaints } = await open('/studio/fleet', 400);
    await page.getByText('2 jobs run,').waitFor();
    await press(page.getByRole('button', { name: 'Drain gpu/1' }));
    const dialog = page.getByRole('dialog');
    await dialog.getByText('The job running on it will be finished.').waitFor();
    await dialog.getByText('which has 1 other instance up').waitFor();
    await expectAccessible(page);
    await press(dialog.getByRole('button', { name: 'Drain gpu/1' }));
    await rowOf(page, 'gpu/1').getByText('draining').waitFor();
    await press(page.getByRole('button', { name: 'Pause the fleet' }));
    await dialog.getByText('2 running jobs will be finished.').waitFor();
    await press(dialog.getByRole('button', { name: 'Keep it as it is' }));
    expect((await fleetOf('ops').halts.get()).paused).toBeNull();
    await press(page.getByRole('button', { name: 'Pause the fleet' }));
    await press(dialog.getByRole('button', { name: 'Pause the fleet' }));
    await page.getByText('The whole fleet has been paused').waitFor();
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

  it('draws the last hour in the colours of the theme, and shows the numbers of the minute under the pointer', async () => {
    const { page, context, complaints } = await open('/studio/fleet');
    await page.route('**/fleet/history', (route) => route.fulfill({ json: HISTORY }));
    await page.reload();
    const chart = page.getByRole('region', { name: 'Throughput' });
    await chart.getByText('completed 4').waitFor(); // in the last minute
    await chart.getByRole('img').hover();
    await chart.getByText('completed 8').waitFor();
    const colors = () => page.evaluate(COLORS);
    const light = expect.arrayContaining(['27,110,60', '179,38,30']); // --good and --fault
    await expect.poll(colors).toEqual(light);
    await page.emulateMedia({ colorScheme: 'dark' });
    await expect.poll(colors).toEqual(expect.arrayContaining(['125,219,160', '255,180,171']));
    await page.getByLabel('Theme').selectOption('light');
    await expect.poll(colors).toEqual(light);
    expect(grave(complaints)).toEqual([]);
    await context.close();
  });

  it.each([1920, 1280, 1000])('shows as many alerts as fit on a wall display of %i pixels', async (width) => {
    const { page, context } = await open('/studio/fleet/wall', width);
    const alerts = page.locator('.wall-alert');
    const [column, foot] = [page.locator('.wall-alerts'), page.locator('.wall-foot')];
    await page.route('**/fleet/alerts', (route) => route.fulfill({ json: alertsOf(1) }));
    await alerts.nth(1).waitFor();
    expect([await alerts.count(), await column.getByText('more').count()]).toEqual([2, 0]);
    await page.unroute('**/fleet/alerts');
    await page.route('**/fleet/alerts', (route) => route.fulfill({ json: alertsOf(12) }));
    await expect.poll(() => alerts.count()).toBe(13); // the instances that are down are grouped
    await column.getByText(/^and \d+ more$/).waitFor();
    const visible = await alerts.filter({ visible: true }).count();
    await column.getByText(`and ${13 - visible} more`, { exact: true }).waitFor();
    expect(visible).toBeGreaterThan(1);
    const [last, below] = [await alerts.nth(visible - 1).boundingBox(), await foot.boundingBox()];
    expect((last?.y ?? 0) + (last?.height ?? 0)).toBeLessThanOrEqual(below?.y ?? 0);
    await expectAccessible(page);
    await context.close();
  });

  it('recovers on a wall display after the API was down', async () => {
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

/** An hour with 8 completed jobs in each minute, and 4 in the last. */
const HISTORY = {
  step_seconds: 60,
  samples: Array.from({ length: 60 }, (_, minute) => ({
    ...{ at: new Date(minute * 60_000).toISOString(), waiting: 2, running: 1, failed: 2, canceled: 0, instances_up: 2 },
    completed: minute === 59 ? 4 : 8,
    gpu_seconds: { web: 60 },
  })),
};

/** The colours on the canvas of the second chart. */
const COLORS = `(() => {
  const { width, height } = document.querySelectorAll('.time-chart canvas')[1];
  const copy = new OffscreenCanvas(width, height).getContext('2d');
  copy.drawImage(document.querySelectorAll('.time-chart canvas')[1], 0, 0);
  const { data } = copy.getImageData(0, 0, width, height);
  const found = new Set();
  for (let at = 0; at < data.length; at += 4) if (data[at + 3] === 255) found.add(data.slice(at, at + 3).join());
  return [...found];
})()`;

/** `count` alerts of different rules, and as many alerts of one rule for instances that are down. */
function alertsOf(count: number) {
  const alert = { since: new Date().toISOString(), severity: 'warning', runbook: '/docs/runbook.html' };
  const numbers = Array.from({ length: count }, (_, n) => n + 1);
  const down = numbers.map((n) => {
    const instance = `gpu-node-${n}.example.internal/${n}`;
    return { ...alert, name: 'InstanceDown', summary: `ComfyUI ${instance} is down`, subject: { instance } };
  });
  const others = numbers.map((n) => ({
    ...{ ...alert, name: `Rule${n}`, severity: 'critical', subject: {} },
    summary: `Redis has fewer replicas than required (${n})`,
  }));
  return { judged_at: alert.since, alerts: [...others, ...down] };
}

async function open(path: string, width?: number) {
  const seen = await visit(browser, `${stack.url}${path}`, width === undefined ? {} : { width });
  const key = seen.page.getByLabel('API key');
  await key.fill(keyOf('ops'));
  await key.press('Enter'); // a click would leave the pointer over the page
  return seen;
}

/** The complaints about the page, except the browser's own about each 401. */
function grave(complaints: readonly string[]): readonly string[] {
  return complaints.filter((text) => !text.includes('401'));
}

function rowOf(page: Page, instance: string): Locator {
  return page.locator(`[data-instance="${instance}"]`);
}

/** Moves through the instance's timeline from its end, again and again, until it shows a job of that key. */
async function findOf(page: Page, instance: string | null, key: string): Promise<void> {
  const lane = page.getByRole('slider', { name: `What ${instance} ran` });
  await lane.focus();
  await expect
    .poll(async () => {
      // start at the end again, since newer jobs appear there
      const isFirst = (await lane.getAttribute('aria-valuenow')) === '1';
      await page.keyboard.press(isFirst ? 'End' : 'ArrowLeft');
      return await lane.getAttribute('aria-valuetext');
    })
    .toContain(`key ${key}`);
}
