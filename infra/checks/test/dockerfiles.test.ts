import { readdir } from 'node:fs/promises';
import { loadConfig } from '@comfy-fleet/config';
import { validate } from 'dockerfile-utils';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import type { Pins } from '../../pins/apply-pins.mjs';
import { stagesOf } from './support/dockerfile.js';
import { ROOT, SETTINGS, textOf } from './support/files.js';

const names = (await readdir(`${ROOT}/infra/docker`)).filter((name) => name.endsWith('Dockerfile')).sort();
const texts = new Map(
  await Promise.all(names.map(async (name) => [name, await textOf(`infra/docker/${name}`)] as const)),
);
const stages = (name: string) => stagesOf(texts.get(name) ?? '');
const image = (name: string) => stages(name).at(-1) ?? expect.fail(`${name} has no stage`);

/** Matches commands that build or install something. */
const BUILDS =
  /\b(npm install|pnpm|yarn install|corepack|pip\d? install|git clone|gcc|g\+\+|make|build-essential|git)\b/;

it('there is one Dockerfile for all apps, and one for ComfyUI', () => {
  expect(names).toEqual(['Dockerfile', 'comfyui.Dockerfile']);
});

describe.each(names)('%s', (name) => {
  it('has no errors according to a linter', () => {
    expect(validate(texts.get(name) ?? '').map(({ message, range }) => `${range.start.line + 1}: ${message}`)).toEqual(
      [],
    );
  });

  it('has no syntax line, which BuildKit would fetch from a registry', () => {
    expect(texts.get(name)).not.toMatch(/^#\s*syntax=/im);
  });

  it('has several stages, and the last one has no build steps and no build tools', () => {
    expect(stages(name).length).toBeGreaterThan(1);
    const { runs, copies } = image(name);
    const removed = runs.filter((run) => !/^rm -rf\b/.test(run));
    expect(removed.filter((run) => BUILDS.test(run))).toEqual([]);
    expect(copies.some(([from]) => from === 'build')).toBe(true);
    // The last stage copies no sources from the build context.
    expect(copies.filter(([from, what]) => from === undefined && /^(\.|apps|packages)/.test(what))).toEqual([]);
  });

  it('names the tag and digest of its base images', () => {
    for (const { image } of stages(name)) {
      expect(image).toMatch(/^[a-z/]+:(?!latest)[\w.-]*\d[\w.-]*@sha256:[0-9a-f]{64}$/);
    }
  });

  it('runs as an unprivileged user, given as a number', () => {
    expect(image(name).user).toBe('1000:1000');
  });

  it('has a health check, and exposes its ports', () => {
    const { healthcheck, exposed } = image(name);
    expect(healthcheck).toBeDefined();
    expect(exposed.length).toBeGreaterThan(0);
  });

  it('starts its process without a shell, so that it receives signals', () => {
    const { entrypoint = [], cmd = [] } = image(name);
    expect([...entrypoint, ...cmd][0]).toMatch(/^(node|python)$/);
  });
});

it('a release has an image of each Dockerfile, and the pinned version of ComfyUI', async () => {
  const bake = await textOf('infra/docker/bake.hcl');
  const files = [...bake.matchAll(/dockerfile = "infra\/docker\/(.*)"/g)].map(([, name]) => name);
  expect(files.sort()).toEqual(names);
  const { comfyui } = JSON.parse(await textOf('infra/pins/pins.json')) as Pins;
  const version = comfyui.version.slice(1);
  expect(bake).toContain(`tag("comfy-fleet-comfyui", "${version}")`);
  expect(bake).toContain(`"org.opencontainers.image.version"  = "${version}"`);
  expect(parse(await textOf('infra/helm/values.yaml'))).toMatchObject({ comfyuiImage: { tag: version } });
});

describe('the Dockerfile of the apps', () => {
  const { env, exposed, runs } = image('Dockerfile');

  it('sets only variables that its processes read', () => {
    expect(Object.keys(env).length).toBeGreaterThan(1);
    expect(Object.keys(env).filter((each) => !SETTINGS.has(each) && each !== 'NODE_ENV')).toEqual([]);
  });

  it('exposes each port of its variables once', () => {
    const ports = Object.entries(env).flatMap(([key, value]) => (key.endsWith('PORT') ? [Number(value)] : []));
    expect([...exposed].sort()).toEqual(ports.sort());
    expect(new Set(ports).size).toBe(ports.length);
  });

  it('removes the package managers of its base image', () => {
    expect(runs[0]).toMatch(/^rm -rf .*node_modules .*npm .*npx .*corepack .*yarn/);
  });

  it('writes only below /data, in folders of its user', () => {
    const folders = Object.entries(env).filter(([key]) => key.endsWith('_DIR'));
    expect(folders.length).toBeGreaterThan(0);
    for (const [, folder] of folders) {
      expect(folder).toMatch(/^\/data\//);
      expect(runs.join()).toMatch(new RegExp(`install --directory --owner=node --group=node .*${folder}`));
    }
  });
});

describe('the Dockerfile of ComfyUI', () => {
  const text = texts.get('comfyui.Dockerfile') ?? '';

  it('has an NVIDIA CUDA base, and pins the commit of ComfyUI and the version of torch', async () => {
    expect(image('comfyui.Dockerfile').image).toMatch(/^nvidia\/cuda:\d/);
    expect(text).toMatch(/^ARG COMFYUI_COMMIT=[0-9a-f]{40}$/m);
    const requirements = await textOf('infra/docker/comfyui-requirements.txt');
    for (const name of ['torch', 'torchvision', 'torchaudio']) {
      expect(requirements).toMatch(new RegExp(`^${name}==\\d\\S+`, 'm'));
    }
  });

  it('listens on loopback by default', () => {
    const { entrypoint = [], cmd = [] } = image('comfyui.Dockerfile');
    expect([...entrypoint, ...cmd]).not.toContain('--listen');
  });

  it('keeps results of earlier prompts, and so do Compose and the chart', async () => {
    const compose = parse(await textOf('docker-compose.yml'), { merge: true });
    const { poolDefaults } = parse(await textOf('infra/helm/values.yaml'));
    for (const command of [image('comfyui.Dockerfile').cmd, poolDefaults.comfyui.args]) {
      expect(command.join(' ')).toMatch(/--cache-lru 64$/);
    }
    expect(compose.services.comfyui.command.join(' ')).toMatch(/--cache-ram 4 4$/);
  });

  it('accepts uploads of the largest asset and the form around it', () => {
    const { entrypoint = [] } = image('comfyui.Dockerfile');
    const megabytes = Number(entrypoint[entrypoint.indexOf('--max-upload-size') + 1]);
    expect(megabytes * 2 ** 20).toBeGreaterThan(loadConfig({}).assets.maxBytes);
  });

  it('has a health check that requests system_stats', () => {
    expect(image('comfyui.Dockerfile').healthcheck?.join(' ')).toContain('http://127.0.0.1:8188/system_stats');
  });

  it('keeps its models, pictures and settings below /data/comfyui, where volumes can be mounted', () => {
    const { entrypoint = [], runs } = image('comfyui.Dockerfile');
    expect(entrypoint[entrypoint.indexOf('--base-directory') + 1]).toBe('/data/comfyui');
    for (const folder of ['models', 'input', 'output', 'temp', 'user']) {
      expect(runs.join()).toMatch(new RegExp(`--owner=1000 .*/data/comfyui/${folder}\\b`));
    }
  });
});
