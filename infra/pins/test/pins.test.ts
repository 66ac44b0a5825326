import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, it, onTestFinished } from 'vitest';
import { textOf } from '../../checks/test/support/files.js';
import {
  PINNED_FILES,
  type Pins,
  REQUIREMENTS_FILE,
  requirementsText,
  withoutDigests,
  withPins,
} from '../apply-pins.mjs';
import { commitOf, digestOf, packagesOf, placeOf } from '../resolve-pins.mjs';

const DIGEST = `sha256:${'ab'.repeat(32)}`;
const pins = JSON.parse(await textOf('infra/pins/pins.json')) as Pins;
const other: Pins = { ...pins, images: { 'node:24-slim': DIGEST, 'redis:8': DIGEST } };

it.each(PINNED_FILES)('%s has the digests of pins.json', async (file) => {
  const text = await textOf(file);
  expect(withPins(text, pins), 'run `npm run pins -- --offline`').toBe(text);
  expect(text).toMatch(/@sha256:[0-9a-f]{64}/);
});

it('the requirements file has the packages of pins.json', async () => {
  expect(await textOf(REQUIREMENTS_FILE), 'run `npm run pins -- --offline`').toBe(requirementsText(pins));
});

it('pins.json has digests, a commit, and only images that a file names', async () => {
  for (const digest of Object.values(pins.images)) expect(digest).toMatch(/^sha256:[0-9a-f]{64}$/);
  expect(pins.comfyui.commit).toMatch(/^[0-9a-f]{40}$/);
  const all = (await Promise.all(PINNED_FILES.map(textOf))).join('\n');
  for (const image of Object.keys(pins.images)) expect(all).toContain(`${image}@`);
});

it('inserts or replaces digests in Dockerfiles and YAML, and removes them again', () => {
  const text = 'FROM node:24-slim AS build\nFROM build\n    image: redis:8@sha256:…\n    image: redis:8\n';
  const plain = text.replace('@sha256:…', `@sha256:${'00'.repeat(32)}`);
  const pinned = withPins(plain, other);
  expect(pinned).toBe(
    `FROM node:24-slim@${DIGEST} AS build\nFROM build\n    image: redis:8@${DIGEST}\n    image: redis:8@${DIGEST}\n`,
  );
  expect(withPins(pinned, other)).toBe(pinned);
  expect(withoutDigests(pinned)).toBe(text.replace('@sha256:…', ''));
});

it('writes the commit of ComfyUI', () => {
  const comfyui = { version: 'v1', commit: 'cd'.repeat(20) };
  const text = `ARG COMFYUI_COMMIT=${'00'.repeat(20)}\n`;
  expect(withPins(text, { ...pins, comfyui })).toBe(`ARG COMFYUI_COMMIT=${'cd'.repeat(20)}\n`);
});

it('refuses an image without a digest', () => {
  expect(() => withPins('FROM debian:13\n', pins)).toThrow('infra/pins/pins.json has no digest of debian:13');
});

it('writes packages with hashes, or the requirements until packages are resolved', () => {
  const packages = { 'aiohttp==3.13.0': [DIGEST, `sha256:${'cd'.repeat(32)}`], 'torch==2.9.1': [DIGEST] };
  const lines = requirementsText({ ...pins, python: { requirements: ['torch'], packages } }).split('\n');
  expect(lines.slice(1)).toEqual([
    'aiohttp==3.13.0 \\',
    `    --hash=${DIGEST} \\`,
    `    --hash=sha256:${'cd'.repeat(32)}`,
    'torch==2.9.1 \\',
    `    --hash=${DIGEST}`,
    '',
  ]);
  const unresolved = requirementsText({ ...pins, python: { requirements: ['torch==2.9.1'], packages: {} } });
  expect(unresolved).toMatch(/\ntorch==2\.9\.1\n-r \/opt\/ComfyUI\/requirements\.txt\n$/);
});

it('reads packages and their hashes from a report of pip', () => {
  const entry = (name: string, sha256?: string) => ({
    metadata: { name, version: '1.0' },
    download_info: { archive_info: sha256 === undefined ? {} : { hashes: { sha256 } } },
  });
  expect(
    packagesOf({ install: [entry('torch', 'bb'), entry('SQLAlchemy', 'aa'), entry('typing_extensions', 'cc')] }),
  ).toEqual({
    'sqlalchemy==1.0': ['sha256:aa'],
    'torch==1.0': ['sha256:bb'],
    'typing-extensions==1.0': ['sha256:cc'],
  });
  expect(() => packagesOf({ install: [entry('torch')] })).toThrow('pip reports no hash of torch');
});

it('reads the commit of a tag from git, also of an annotated tag', () => {
  const listed = 'aaa\trefs/tags/v1\nbbb\trefs/tags/v2\nccc\trefs/tags/v2^{}\n';
  expect([commitOf(listed, 'v1'), commitOf(listed, 'v2')]).toEqual(['aaa', 'ccc']);
  expect(() => commitOf(listed, 'v3')).toThrow('ComfyUI has no tag v3');
});

it('requests the digest of a tag from a registry, with a token for that repository', async () => {
  const server = createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? '', 'http://x');
    if (pathname === '/token') response.end(JSON.stringify({ token: searchParams.get('scope') }));
    else if (pathname === '/v2/library/node/manifests/24-slim' && request.method === 'HEAD') {
      const isAllowed = request.headers.authorization === 'Bearer repository:library/node:pull';
      response.writeHead(isAllowed ? 200 : 401, isAllowed ? { 'docker-content-digest': DIGEST } : {}).end();
    } else response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  expect(await digestOf('node:24-slim', { registry: url, auth: url })).toBe(DIGEST);
  await expect(digestOf('prom/prometheus:v9', { registry: url, auth: url })).rejects.toThrow(
    'prom/prometheus:v9: the registry answers 404',
  );
  expect(placeOf('prom/prometheus:v3.5.0')).toEqual({ repository: 'prom/prometheus', tag: 'v3.5.0' });
});
