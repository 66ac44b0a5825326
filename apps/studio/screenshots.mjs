// Takes screenshots of all pages for docs/studio.md, from a running fleet:  npm run docs:screenshots [-- http://127.0.0.1:3000 [API key]]
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

const [api = 'http://127.0.0.1:3000', key] = process.argv.slice(2);
const FOLDER = join(import.meta.dirname, '../../docs/studio');
const LOOKS = /** @type {const} */ ([
  { name: 'light', colorScheme: 'light', viewport: { width: 1280, height: 800 } },
  { name: 'dark', colorScheme: 'dark', viewport: { width: 1280, height: 800 } },
  { name: 'phone', colorScheme: 'light', viewport: { width: 390, height: 844 } },
]);
const INPAINTING = 'inpainting';
const PROMPTS = ['a lighthouse in a storm, oil painting', 'a red fox in the snow', 'a harbour at dawn', 'a paper city'];

const sketches = await Promise.all(PROMPTS.map((prompt, seed) => order('/generate', { prompt, seed, lod: 'sketch' })));
await publishInpainting();
const refined = await order(`/jobs/${sketches[0]?.id}/refine`, { lod: 'final' });

const GRAPH = join(import.meta.dirname, '../../packages/testing/test/graphs/two-stage-hires.json');
const graph = readFileSync(GRAPH, 'utf8');
await publish('hires', { graph: JSON.parse(graph) });
const finish = { node: '7', widget: 'steps', maximum: 30, description: 'How long the large picture is worked on.' };
await publish('hires', {
  graph: JSON.parse(graph.replace('"steps": 12', '"steps": 16')),
  inputs: { description: 'Two stages: a small picture first, then twice its size.', inputs: { finish } },
});

mkdirSync(FOLDER, { recursive: true });
const browser = await chromium.launch({ executablePath: chromiumPath(), args: ['--no-sandbox'] });
for (const { name, ...look } of LOOKS) {
  const page = await browser.newPage(look);
  if (key !== undefined) await page.addInitScript(`sessionStorage.setItem('comfy-fleet.key', '${key}')`);
  const shoot = async (/** @type {string} */ what) => {
    await page.waitForLoadState('networkidle');
    await page.evaluate('scrollTo(0, 0)');
    await page.evaluate(`Promise.allSettled([...document.images].map((image) =>
      image.getBoundingClientRect().top < innerHeight && image.decode()))`);
    await page.screenshot({ path: join(FOLDER, `${what}-${name}.jpg`), type: 'jpeg', quality: 60 });
  };
  await page.goto(`${api}/studio/make`);
  await page.getByLabel('Prompt', { exact: true }).fill(PROMPTS[0] ?? '');
  await page.locator('article img').first().waitFor();
  const paint = await page.evaluate("performance.getEntriesByName('first-contentful-paint')[0]?.startTime");
  console.log(`first paint of the page Make, ${name}: ${Math.round(paint)} ms`);
  await shoot('make');
  await page.goto(`${api}/studio/gallery`);
  await page.locator('.tile img').first().waitFor();
  await shoot('gallery');
  await page.goto(`${api}/studio/gallery/${refined.id}`);
  await page.getByRole('button', { name: 'Compare' }).first().click();
  await shoot('job');
  await page.route(`${api}/models`, (route) => route.fulfill({ json: sampleModels() }));
  await page.goto(`${api}/studio/models`);
  await page.locator('.model-row').first().waitFor();
  await shoot('models');
  await page.goto(`${api}/studio/usage`);
  await page.locator('table.keys').waitFor();
  await shoot('usage');
  await page.goto(`${api}/studio/make`);
  await page.getByLabel('Workflow').selectOption(INPAINTING);
  await page.getByRole('button', { name: 'From the gallery' }).first().click();
  await page.locator('.choice').first().click();
  await page.getByRole('button', { name: 'Paint a mask' }).click();
  await paintOver(page.getByRole('application', { name: 'Painted mask' }));
  await shoot('mask');
  await page.goto(`${api}/studio/fleet`);
  await page.getByRole('button', { name: '30 min' }).click();
  await page.locator('.lane-bars').first().waitFor();
  await shoot('fleet');
  await page.goto(`${api}/studio/fleet/wall`);
  await page.locator('.lane-bars').first().waitFor();
  await shoot('wall');
  await page.goto(`${api}/studio/workflows/hires`);
  await page.getByRole('region', { name: 'Difference' }).getByRole('heading', { name: 'Nodes' }).waitFor();
  await shoot('workflow');
  await page.goto(`${api}/studio/workflows`);
  await page.getByRole('link', { name: 'hires' }).waitFor();
  await shoot('workflows');
  await page.getByLabel('Publish a workflow').locator('input').setInputFiles(GRAPH);
  await page.getByRole('button', { name: 'Try it' }).click();
  await page.getByRole('region', { name: 'Try it' }).locator('[data-status=succeeded] img:not(.preview)').waitFor();
  await shoot('publish');
  await page.close();
}
await browser.close();
await ask('DELETE', `/workflows/${INPAINTING}`);

/**
 * Publishes a workflow.
 * @param {string} name
 * @param {object} upload
 */
async function publish(name, upload) {
  const known = key === undefined ? {} : { authorization: `Bearer ${key}` };
  const headers = { 'content-type': 'application/json', ...known };
  const answer = await fetch(`${api}/workflows/${name}`, { method: 'PUT', headers, body: JSON.stringify(upload) });
  if (!answer.ok) throw new Error(await answer.text());
}

/**
 * Makes a job and waits for its end.
 * @param {string} path
 * @param {object} body
 * @returns {Promise<{ id: string }>}
 */
async function order(path, body) {
  return /** @type {Promise<{ id: string }>} */ ((await ask('POST', path, body)).json());
}

/**
 * @param {string} method
 * @param {string} path
 * @param {object} [body]
 */
async function ask(method, path, body) {
  const known = key === undefined ? {} : { authorization: `Bearer ${key}` };
  const headers = { 'content-type': 'application/json', prefer: 'wait=60', ...known };
  const answer = await fetch(api + path, { method, headers, body: JSON.stringify(body) ?? null });
  if (!answer.ok) throw new Error(await answer.text());
  return answer;
}

/** A workflow with a mask, published while the screenshots are taken. */
async function publishInpainting() {
  const file = new URL('../../packages/testing/test/graphs/inpaint-mask.json', import.meta.url);
  const checkpoint = '"ckpt_name": "sd_xl_base_1.0.safetensors"';
  const graph = JSON.parse(readFileSync(file, 'utf8').replace(/"ckpt_name": "[^"]*"/, checkpoint));
  await ask('PUT', `/workflows/${INPAINTING}`, { graph });
}

/** Models in all states, which few fleets have at one moment. */
function sampleModels() {
  const at = (/** @type {number} */ seconds) => new Date(Date.now() - seconds * 1000).toISOString();
  const copy = (/** @type {string} */ worker, /** @type {number} */ bytes, /** @type {object} */ more) => ({
    ...{ folder: worker, worker, instances: [`${worker}/1`, `${worker}/2`], state: 'ready', bytes, fetched: bytes },
    ...{ eta_seconds: null, is_ours: true, verified_at: at(7300), error: null, ...more },
  });
  const model = (
    /** @type {string} */ kind,
    /** @type {string} */ name,
    /** @type {number} */ bytes,
    /** @type {object} */ more,
  ) => ({
    ...{ kind, name, bytes, sha256: null, by_url: false, created_at: at(90_000), used_at: at(500), jobs_waiting: 0 },
    ...{ sources: [], keys: null, pinned_in: [], copies: [], ...more },
  });
  const fetching = { state: 'fetching', verified_at: null };
  const detail = 'The source refuses the request. https://models.example/house-style.safetensors answered 403.';
  const failed = {
    state: 'failed',
    fetched: 0,
    verified_at: null,
    error: { code: 'refused_by_source', detail, at: at(50) },
  };
  const folder = (/** @type {string} */ worker, /** @type {number} */ used, /** @type {number | null} */ speed) => ({
    ...{ id: worker, worker, instances: [`${worker}/1`, `${worker}/2`], pools: ['default'], max_bytes: 400e9 },
    ...{ used_bytes: used, bytes_per_second: speed, seen_at: at(1) },
  });
  return {
    data: [
      model('checkpoints', 'sd_xl_base_1.0.safetensors', 6.9e9, {
        pinned_in: ['default'],
        copies: [copy('gpu-1', 6.9e9, { is_ours: false }), copy('gpu-2', 6.9e9, {})],
      }),
      model('diffusion_models', 'flux1-dev.safetensors', 23.8e9, {
        jobs_waiting: 3,
        copies: [copy('gpu-1', 23.8e9, { ...fetching, fetched: 9.2e9, eta_seconds: 168 })],
      }),
      model('loras', 'sdxl/detail-v2.safetensors', 228e6, {
        jobs_waiting: 12,
        copies: [copy('gpu-1', 228e6, {}), copy('gpu-2', 228e6, { ...fetching, fetched: 180e6, eta_seconds: 1 })],
      }),
      model('loras', 'acme/house-style.safetensors', 400e6, {
        ...{ jobs_waiting: 1, used_at: null, keys: ['acme'] },
        copies: [copy('gpu-2', 400e6, failed)],
      }),
      model('upscale_models', '4x-sharp.safetensors', 67e6, { used_at: null }),
    ],
    folders: [folder('gpu-1', 212e9, 87e6), folder('gpu-2', 371e9, 92e6)],
  };
}

/** @param {import('playwright-core').Locator} mask */
async function paintOver(mask) {
  await mask.press('Shift+ArrowRight');
  for (let n = 0; n < 6; n++) await mask.press(n % 2 === 0 ? 'Shift+ArrowRight' : 'Shift+ArrowUp');
}

function chromiumPath() {
  return spawnSync('sh', ['-c', 'command -v chromium'], { encoding: 'utf8' }).stdout.trim();
}
