import { mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { writeInputs } from '../../../infra/build/inputs.mjs';
import { refuseStaleBuild } from '../src/gears/fresh-build.js';

const [EARLIER, LATER] = [new Date('2026-05-05T10:00:00Z'), new Date('2026-05-05T11:00:00Z')];
const SOURCES = ['apps/api/src/main.ts', 'packages/jobs/src/lua/claim.lua'];
let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'comfy-fleet-build-'));
  for (const source of SOURCES) file(source, 'return 1', EARLIER);
  mkdirSync(join(root, 'apps/api/dist'));
});
afterEach(() => rmSync(root, { recursive: true }));

function file(path: string, text: string, time: Date): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
  utimesSync(join(root, path), time, time);
}

function build(time: Date): void {
  writeInputs(root, 'apps/api', SOURCES);
  utimesSync(join(root, 'apps/api/dist/inputs.json'), time, time);
}

it('refuses an app that was never built', () => {
  expect(() => refuseStaleBuild(root)).toThrow('apps/api/dist is older than apps/api/dist/inputs.json');
});

it.each(SOURCES)('refuses a build, and says what to type, when %s has changed since or is gone', (source) => {
  const refusal = `apps/api/dist is older than ${source}. Type: npm run build`;
  build(EARLIER);
  refuseStaleBuild(root);
  file(source, 'return 2', LATER);
  expect(() => refuseStaleBuild(root)).toThrow(refusal);
  rmSync(join(root, source));
  expect(() => refuseStaleBuild(root)).toThrow(refusal);
});

it('accepts a build when files were rewritten with the same content', () => {
  build(EARLIER);
  for (const source of SOURCES) file(source, 'return 1', LATER);
  refuseStaleBuild(root);
});
