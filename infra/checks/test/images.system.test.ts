import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { startSimulator, uniquePrefix } from '@comfy-fleet/testing';
import { afterEach, beforeAll, describe, expect, inject, it } from 'vitest';
import { type Image, makeImage, startContainer } from './support/container.js';
import { imageNode } from './support/image-node.js';
import { METRICS, OF_NODE, type Service } from './support/metrics.js';

/** What all the files of an app and its libraries may come to. */
const MOST_MEGABYTES = 90;

const ends: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

let node: string;
beforeAll(async () => {
  node = await imageNode();
});

/** As pnpm deploy lays it out, and no larger than it may be. */
async function image(app: string): Promise<Image> {
  const made = await makeImage(app, node);
  ends.push(() => made.remove());
  console.info(`pnpm deploy of ${app}: ${made.megabytes} MB`);
  expect(made.megabytes).toBeGreaterThan(1);
  expect(made.megabytes).toBeLessThanOrEqual(MOST_MEGABYTES);
  return made;
}

/** The address of Redis in a file beside the app, as a secret comes. */
async function redisSecret({ dir }: Image): Promise<Record<string, string>> {
  const path = join(dir, '../redis-url');
  await writeFile(path, `${inject('redisUrl')}\n`, { mode: 0o644 });
  return { REDIS_URL_FILE: path, KEY_PREFIX: uniquePrefix() };
}

/** Starts it, waits for its health check, stops it: it ends well, and has written nothing into its own folder. */
async function live(made: Image, env: Record<string, string>, look: (port: (n: number) => number) => Promise<void>) {
  const before = made.files();
  const container = await startContainer(made, env);
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

describe('the start command of the image, with its variables, in the folder that pnpm deploy made, of at most 90 MB', () => {
  it('of the api becomes healthy, shows metrics on a port of their own, and ends when told', async () => {
    const made = await image('api');
    await live(made, await redisSecret(made), async (port) => {
      expect(await answers(port(3000), '/openapi.json')).toBe(200);
      expect(await answers(port(3000), '/docs/')).toBe(200);
      await tells('api', port(3003));
    });
  });

  it('of the worker becomes healthy beside a ComfyUI, and ends when told', async () => {
    const comfyui = await startSimulator({ port: 0 });
    ends.push(() => comfyui.close());
    const made = await image('worker');
    await live(
      made,
      { ...(await redisSecret(made)), COMFYUI_URLS: comfyui.url, WORKER_NAME: 'image' },
      async (port) => {
        await tells('worker', port(3001));
      },
    );
  });

  it('of the dispatcher becomes healthy, and ends when told', async () => {
    const made = await image('dispatcher');
    await live(made, await redisSecret(made), async (port) => {
      await tells('dispatcher', port(3002));
    });
  });

  it('of the command line has the doctor find nothing wrong, and ends', async () => {
    const comfyui = await startSimulator({ port: 0 });
    ends.push(() => comfyui.close());
    const made = await image('cli');
    const container = await startContainer(made, { ...(await redisSecret(made)), COMFYUI_URLS: comfyui.url });
    expect(await container.exited, container.output).toBe(0);
    expect(container.output).toContain('Redis');
  });

  it('of the simulator becomes healthy, and ends when told', async () => {
    const made = await image('simulator');
    await live(made, {}, async (port) => {
      expect(await answers(port(8188), '/object_info')).toBe(200);
    });
  });
});
