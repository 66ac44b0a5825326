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

/** What builds or installs, by the words in which it is called. */
const BUILDS =
  /\b(npm install|pnpm|yarn install|corepack|pip\d? install|git clone|gcc|g\+\+|make|build-essential|git)\b/;

it('there is one container file for all apps, and one for ComfyUI', () => {
  expect(names).toEqual(['Dockerfile', 'comfyui.Dockerfile']);
});

describe.each(names)('%s', (name) => {
  it('has no fault that a linter finds', () => {
    expect(validate(texts.get(name) ?? '').map(({ message, range }) => `${range.start.line + 1}: ${message}`)).toEqual(
      [],
    );
  });

  it('has no syntax line, for which BuildKit would ask a registry', () => {
    expect(texts.get(name)).not.toMatch(/^#\s*syntax=/im);
  });

  it('is made in stages, of which the last one builds nothing and has nothing to build with', () => {
    expect(stages(name).length).toBeGreaterThan(1);
    const { runs, copies } = image(name);
    const removed = runs.filter((run) => !/^rm -rf\b/.test(run));
    expect(removed.filter((run) => BUILDS.test(run))).toEqual([]);
    expect(copies.some(([from]) => from === 'build')).toBe(true);
    // of the build context only single things, never the sources
    expect(copies.filter(([from, what]) => from === undefined && /^(\.|apps|packages)/.test(what))).toEqual([]);
  });

  it('names a tag and the digest of what it starts from', () => {
    for (const { image } of stages(name)) {
      expect(image).toMatch(/^[a-z/]+:(?!latest)[\w.-]*\d[\w.-]*@sha256:[0-9a-f]{64}$/);
    }
  });

  it('runs as a user without rights, by number', () => {
    expect(image(name).user).toBe('1000:1000');
  });

  it('has a health check, and shows its ports', () => {
    const { healthcheck, exposed } = image(name);
    expect(healthcheck).toBeDefined();
    expect(exposed.length).toBeGreaterThan(0);
  });

  it('starts its process without a shell between, so that it gets the signals', () => {
    const { entrypoint = [], cmd = [] } = image(name);
    expect([...entrypoint, ...cmd][0]).toMatch(/^(node|python)$/);
  });
});

it('a release has an image of each file, and the version of ComfyUI that is pinned', async () => {
  const bake = await textOf('infra/docker/bake.hcl');
  const files = [...bake.matchAll(/dockerfile = "infra\/docker\/(.*)"/g)].map(([, name]) => name);
  expect(files.sort()).toEqual(names);
  const { comfyui } = JSON.parse(await textOf('infra/pins/pins.json')) as Pins;
  const version = comfyui.version.slice(1);
  expect(bake).toContain(`tag("comfy-fleet-comfyui", "${version}")`);
  expect(bake).toContain(`"org.opencontainers.image.version"  = "${version}"`);
  expect(parse(await textOf('infra/helm/values.yaml'))).toMatchObject({ comfyuiImage: { tag: version } });
});

describe('the file of the apps', () => {
  const { env, exposed, runs } = image('Dockerfile');

  it('sets only variables that its processes read', () => {
    expect(Object.keys(env).length).toBeGreaterThan(1);
    expect(Object.keys(env).filter((each) => !SETTINGS.has(each) && each !== 'NODE_ENV')).toEqual([]);
  });

  it('shows all ports that its variables name, each of them once', () => {
    const ports = Object.entries(env).flatMap(([key, value]) => (key.endsWith('PORT') ? [Number(value)] : []));
    expect([...exposed].sort()).toEqual(ports.sort());
    expect(new Set(ports).size).toBe(ports.length);
  });

  it('has the package managers of its base taken away', () => {
    expect(runs[0]).toMatch(/^rm -rf .*node_modules .*npm .*npx .*corepack .*yarn/);
  });

  it('writes nowhere but below /data, in folders that belong to its user', () => {
    const folders = Object.entries(env).filter(([key]) => key.endsWith('_DIR'));
    expect(folders.length).toBeGreaterThan(0);
    for (const [, folder] of folders) {
      expect(folder).toMatch(/^\/data\//);
      expect(runs.join()).toMatch(new RegExp(`install --directory --owner=node --group=node .*${folder}`));
    }
  });
});

describe('the file of ComfyUI', () => {
  const text = texts.get('comfyui.Dockerfile') ?? '';

  it('has an NVIDIA CUDA base, and a commit of ComfyUI and a version of torch that are pinned', async () => {
    expect(image('comfyui.Dockerfile').image).toMatch(/^nvidia\/cuda:\d/);
    expect(text).toMatch(/^ARG COMFYUI_COMMIT=[0-9a-f]{40}$/m);
    const requirements = await textOf('infra/docker/comfyui-requirements.txt');
    for (const name of ['torch', 'torchvision', 'torchaudio']) {
      expect(requirements).toMatch(new RegExp(`^${name}==\\d\\S+`, 'm'));
    }
  });

  it('listens on loopback unless told otherwise', () => {
    expect(image('comfyui.Dockerfile').entrypoint).not.toContain('--listen');
    expect(image('comfyui.Dockerfile').cmd).toEqual([]);
  });

  it('takes uploads as large as the largest asset, with room for the form around it', () => {
    const { entrypoint = [] } = image('comfyui.Dockerfile');
    const megabytes = Number(entrypoint[entrypoint.indexOf('--max-upload-size') + 1]);
    expect(megabytes * 2 ** 20).toBeGreaterThan(loadConfig({}).assets.maxBytes);
  });

  it('is asked for its system_stats to see whether it is healthy', () => {
    expect(image('comfyui.Dockerfile').healthcheck?.join(' ')).toContain('http://127.0.0.1:8188/system_stats');
  });

  it('has its models, pictures and settings in folders below /data/comfyui, which volumes can take the place of', () => {
    const { entrypoint = [], runs } = image('comfyui.Dockerfile');
    expect(entrypoint[entrypoint.indexOf('--base-directory') + 1]).toBe('/data/comfyui');
    for (const folder of ['models', 'input', 'output', 'temp', 'user']) {
      expect(runs.join()).toMatch(new RegExp(`--owner=1000 .*/data/comfyui/${folder}\\b`));
    }
  });
});
