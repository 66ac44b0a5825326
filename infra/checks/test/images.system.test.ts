import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { nodeOfMajor, startSimulator, uniquePrefix } from '@comfy-fleet/testing';
import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from 'vitest';
import { type Image, makeImage, startContainer } from './support/container.js';
import { stagesOf } from './support/dockerfile.js';
import { textOf } from './support/files.js';
import { METRICS, OF_NODE, type Service } from './support/metrics.js';

/** Limit for all files of the apps and their libraries. */
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

/** The path of a Node of the image's version: code that works in one version can fail in another. */
async function imageNode(): Promise<string> {
  const image = stagesOf(await textOf('infra/docker/Dockerfile')).at(-1)?.image ?? '';
  return nodeOfMajor(Number(/^node:(\d+)/.exec(image)?.[1]));
}

/** Writes the address of Redis to a file, like a secret. */
async function redisSecret({ dir }: Image): Promise<Record<string, string>> {
  const path = join(dir, '../redis-url');
  await writeFile(path, `${inject('redisUrl')}\n`, { mode: 0o644 });
  return { REDIS_URL_FILE: path, KEY_PREFIX: uniquePrefix() };
}

/** Starts a role, waits until it is healthy, runs `check` and stops it. It must exit with 0 and not have written to its folder. */
async function live(role: string, env: Record<string, string>, check: (port: (n: number) => number) => Promise<void>) {
  const before = made.files();
  const container = await startContainer(made, [role], env);
  ends.push(() => container.stop());
  await container.healthy();
  await check((port) => container.port(port));
  expect(await container.stop(), container.output).toBe(0);
  expect(made.files()).toEqual(before);
}

const statusOf = async (port: number, path: string) => (await fetch(`http://127.0.0.1:${port}${path}`)).status;

/** Checks that a service exposes exactly the metrics in METRICS, and those of Node.js. */
async function exposesMetrics(service: Service, port: number): Promise<void> {
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

describe('the image, with its own variables', () => {
  it('has at most 100 MB of files', () => {
    console.info(`the image: ${made.megabytes} MB`);
    expect(made.megabytes).toBeGreaterThan(1);
    expect(made.megabytes).toBeLessThanOrEqual(MOST_MEGABYTES);
  });

  it('lists its libraries, in node_modules and in all bundles, in CycloneDX', async () => {
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

  it('runs the api, which becomes healthy, exposes metrics on a separate port, and stops on SIGTERM', async () => {
    await live('api', await redisSecret(made), async (port) => {
      expect(await statusOf(port(3000), '/openapi.json')).toBe(200);
      expect(await statusOf(port(3000), '/docs/')).toBe(200);
      await exposesMetrics('api', port(3003));
    });
  });

  it('runs the worker, which becomes healthy with a ComfyUI, and stops on SIGTERM', async () => {
    const env = { ...(await redisSecret(made)), ...(await comfyuiUrl()), WORKER_NAME: 'image' };
    await live('worker', env, async (port) => {
      await exposesMetrics('worker', port(3001));
    });
  });

  it('runs the dispatcher, which becomes healthy, and stops on SIGTERM', async () => {
    await live('dispatcher', await redisSecret(made), async (port) => {
      await exposesMetrics('dispatcher', port(3002));
    });
  });

  it('runs the simulator, which becomes healthy, and stops on SIGTERM', async () => {
    await live('simulator', {}, async (port) => {
      expect(await statusOf(port(8188), '/object_info')).toBe(200);
    });
  });

  it('runs all three processes with `all`, is healthy when each one is ready, and stops them on SIGTERM', async () => {
    const env = { ...(await redisSecret(made)), ...(await comfyuiUrl()), WORKER_NAME: 'image' };
    await live('all', env, async (port) => {
      const url = `http://127.0.0.1:${port(3000)}`;
      const body = JSON.stringify({ prompt: 'a fox', lod: 'sketch' });
      const headers = { 'content-type': 'application/json' };
      const posted = await fetch(`${url}/generate`, { method: 'POST', body, headers });
      const { id } = (await posted.json()) as { id: string };
      const ended = await fetch(`${url}/jobs/${id}?wait=60`);
      expect(await ended.json()).toMatchObject({ status: 'succeeded' });
      for (const each of [3001, 3002]) expect(await statusOf(port(each), '/readyz')).toBe(200);
    });
  });

  it('stops the other processes of `all` and exits with an error if one of them cannot start', async () => {
    const container = await startContainer(made, ['all'], await redisSecret(made));
    expect(await container.exited, container.output).toBe(1);
    expect(container.output).toContain('COMFYUI_URLS is not set');
  });

  it('runs commands of the CLI, such as the doctor, which finds no problem', async () => {
    const env = { ...(await redisSecret(made)), ...(await comfyuiUrl()) };
    const container = await startContainer(made, ['doctor'], env);
    expect(await container.exited, container.output).toBe(0);
    expect(container.output).toContain('Redis');
  });
});
