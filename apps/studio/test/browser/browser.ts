import { spawnSync } from 'node:child_process';
import { AxeBuilder } from '@axe-core/playwright';
import { type Browser, type BrowserContext, chromium, type Locator, type Page } from 'playwright-core';
import { expect } from 'vitest';

export const hasChromium = spawnSync('chromium', ['--version']).status === 0;

/** Stops only a test that hangs. */
const HANGS_MS = 180_000;

/** Starts the system's Chromium without its sandbox, which does not work as root. */
export function startBrowser(): Promise<Browser> {
  const found = spawnSync('sh', ['-c', 'command -v chromium'], { encoding: 'utf8' }).stdout.trim();
  // Allow software rendering of 3D, about which Chromium warns otherwise.
  const args = ['--no-sandbox', '--enable-unsafe-swiftshader'];
  return chromium.launch({ executablePath: found, args, timeout: HANGS_MS });
}

export interface Visit {
  readonly page: Page;
  readonly context: BrowserContext;
  /** Errors and warnings of the console and the Content-Security-Policy. */
  readonly complaints: readonly string[];
}

interface VisitOptions {
  /** Pixels. */
  readonly width?: number;
  readonly isDark?: boolean;
  /** An API key that the browser remembers. */
  readonly key?: string;
}

export async function visit(browser: Browser, url: string, options: VisitOptions = {}): Promise<Visit> {
  const context = await browser.newContext({
    viewport: { width: options.width ?? 1280, height: 900 },
    colorScheme: options.isDark ? 'dark' : 'light',
    permissions: ['clipboard-read', 'clipboard-write'],
  });
  if (options.key !== undefined) {
    await context.addInitScript(`sessionStorage.setItem('comfy-fleet.key', ${JSON.stringify(options.key)})`);
  }
  context.setDefaultTimeout(HANGS_MS);
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(error.message));
  await page.goto(url);
  return { page, context, complaints };
}

/**
 * Presses a button on a page that rerenders all the time. New content could move the button from under the pointer in the
 * middle of a click; the keyboard focus stays with it.
 */
export async function press(button: Locator): Promise<void> {
  await button.click({ trial: true }); // waits until no dialog covers it
  await button.press('Enter');
}

/** Checks the page against WCAG 2.2 AA, as far as a program can. */
export async function expectAccessible(page: Page): Promise<void> {
  const { violations } = await new AxeBuilder({ page })
    .setLegacyMode() // the page has no frames, so no second page is needed
    .options({ resultTypes: ['violations'] })
    .withTags(['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'])
    .analyze();
  expect(violations.map(({ id, nodes }) => [id, nodes.map(({ html }) => html.slice(0, 200))])).toEqual([]);
}
