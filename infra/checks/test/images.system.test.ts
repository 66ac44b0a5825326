import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { nodeOfMajor, startSimulator, uniquePrefix } from '@comfy-fleet/testing';
import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from 'vitest';
import { type Image, makeImage, startContainer } from './support/container.js';
import { stagesOf } from './support/dockerfile.js';
import { textOf } from './support/files.js';
import { METRICS, OF_NODE, type Service } from './support/metrics.js';

/** All files of all apps and their libraries. */
const MOST_MEGABYTES = 100;

interface Bom {
  readonly components: readonly { readonly name: string; readonly purl: string }[];
}

const ends: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

let made: Image;
beforeAll(async () => {
  made = await makeImage(await imageNode());
});
afterAll(() => made?.remove());

/** The path of the Node of the images: code that works in one version of Node can fail in another. */
async function imageNode(): Promise<string> {
  const image = stagesOf(await textOf('infra/docker/Dockerfile')).at(-1)?.image ?? '';
  return nodeOfMajor(Number(/^node:(\d+)/.exec(image)?.[1]));
}

/** The address of Redis in a file beside the app, as a secret comes. */
async function redisSecret({ dir }: Image): Promise<Record<string, string>> {
  const path = join(dir, '../redis-url');
  await writeFile(path, `${inject('redisUrl')}\n`, { mode: 0o644 });
  return { REDIS_URL_FILE: path, KEY_PREFIX: uniquePrefix() };
}

/** Starts it, waits for its health check, stops it: it ends well, and has written nothing into its own folder. */
async function live(role: string, env: Record<string, string>, look: (port: (n: number) => number) => Promise<void>) {
  const before = made.files();
  const container = await startContainer(made, [role], env);
  ends.push(() => container.stop());
  await container.healthy();
  await look((port) => container.port(port));
  expect(await container.stop(), container.output).toBe(0);
  expect(made.files()).toEqual(before);
}

const answers = async (port: number, path: string) => (await fetch(`http://127.0.0.1:${port}${path}`)).status;

/** It shows all metrics that rules and dashboard count on, and no others but those of Node.js. */
async function tells(service: Service, port: number): Promise<void> {
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  const types = Object.fromEntries(
    [...text.matchAll(/^# TYPE (\w+) (\w+)$/gm)].map(([, name = '', type]) => [name, type]),
  );
  const expected = Object.entries(METRICS).filter(([, { of }]) => of.includes(service));
  expect(Object.fromEntries(Object.entries(types).filter(([name]) => name.startsWith('comfy_fleet_')))).toEqual(
    Object.fromEntries(expected.map(([name, { type }]) => [name, type])),
  );
  expect(Object.keys(types)).toEqual(expect.arrayContaining(OF_NODE));
}

async function comfyuiUrl(): Promise<{ COMFYUI_URLS: string }> {
  const comfyui = await startSimulator({ port: 0 });
  ends.push(() => comfyui.close());
  return { COMFYUI_URLS: comfyui.url };
}

describe('the image, with the variables that it sets', () => {
  it('has at most 100 MB of files', () => {
    console.info(`the image: ${made.megabytes} MB`);
    expect(made.megabytes).toBeGreaterThan(1);
    expect(made.megabytes).toBeLessThanOrEqual(MOST_MEGABYTES);
  });

  it('lists the libraries that it has, in node_modules and in the bundles of apps and pages, in CycloneDX', async () => {
    const bom = JSON.parse(await readFile(join(made.dir, 'sbom.cdx.json'), 'utf8')) as Bom;
    const { version } = JSON.parse(await textOf('package.json')) as { version: string };
    expect(bom).toMatchObject({ bomFormat: 'CycloneDX', metadata: { component: { name: 'comfy-fleet', version } } });
    const names = bom.components.map(({ name }) => name);
    expect(names).toEqual(expect.arrayContaining(['express', 'bullmq', 'react', 'sharp', 'swagger-ui-dist']));
    expect(names).not.toContain('vitest');
    const purls = bom.components.map(({ purl }) => purl);
    expect(new Set(purls).size).toBe(purls.length);
    for (const purl of purls) expect(purl).toMatch(/^pkg:npm\/\S+@\d/);
  });

  it('runs the api, which becomes healthy, shows metrics on a port of their own, and ends when told', async () => {
    await live('api', await redisSecret(made), async (port) => {
      expect(await answers(port(3000), '/openapi.json')).toBe(200);
      expect(await answers(port(3000), '/docs/')).toBe(200);
      await tells('api', port(3003));
    });
  });

  it('runs the worker, which becomes healthy beside a ComfyUI, and ends when told', async () => {
    const env = { ...(await redisSecret(made)), ...(await comfyuiUrl()), WORKER_NAME: 'image' };
    await live('worker', env, async (port) => {
      await tells('worker', port(3001));
    });
  });

  it('runs the dispatcher, which becomes healthy, and ends when told', async () => {
    await live('dispatcher', await redisSecret(made), async (port) => {
      await tells('dispatcher', port(3002));
    });
  });

  it('runs the simulator, which becomes healthy, and ends when told', async () => {
    await live('simulator', {}, async (port) => {
      expect(await answers(port(8188), '/object_info')).toBe(200);
    });
  });

  it('runs all three processes of the fleet when told `all`, is healthy when each is ready, and ends all when told', async () => {
    const env = { ...(await redisSecret(made)), ...(await comfyuiUrl()), WORKER_NAME: 'image' };
    await live('all', env, async (port) => {
      const url = `http://127.0.0.1:${port(3000)}`;
      const body = JSON.stringify({ prompt: 'a fox', lod: 'sketch' });
      const headers = { 'content-type': 'application/json' };
      const posted = await fetch(`${url}/generate`, { method: 'POST', body, headers });
      const { id } = (await posted.json()) as { id: string };
      const ended = await fetch(`${url}/jobs/${id}?wait=60`);
      expect(await ended.json()).toMatchObject({ status: 'succeeded' });
      for (const each of [3001, 3002]) expect(await answers(port(each), '/readyz')).toBe(200);
    });
  });

  it('ends the other processes of `all`, with an exit code other than 0, when one of them cannot start', async () => {
    const container = await startContainer(made, ['all'], await redisSecret(made));
    expect(await container.exited, container.output).toBe(1);
    expect(container.output).toContain('COMFYUI_URLS is not set');
  });

  it('runs any command of the command line, of which the doctor finds nothing wrong', async () => {
    const env = { ...(await redisSecret(made)), ...(await comfyuiUrl()) };
    const container = await startContainer(made, ['doctor'], env);
    expect(await container.exited, container.output).toBe(0);
    expect(container.output).toContain('Redis');
  });
});
