import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { refuseStaleBuild } from '../src/gears/fresh-build.js';

const [EARLIER, LATER] = [new Date('2026-05-05T10:00:00Z'), new Date('2026-05-05T11:00:00Z')];
const REFUSAL = 'apps/api/dist is older than apps/api/src/http/main.ts. Type: npm run build';
let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'comfy-fleet-build-'));
  for (const dir of ['packages', 'apps/api/src/http', 'apps/api/dist/http'])
    mkdirSync(join(root, dir), { recursive: true });
  file('src/http/main.ts', 'const one: number = 1;', EARLIER);
});
afterEach(() => rmSync(root, { recursive: true }));

function file(path: string, text: string, time: Date): void {
  const whole = join(root, 'apps/api', path);
  writeFileSync(whole, text);
  utimesSync(whole, time, time);
}

function builtOf(text: string, time: Date): void {
  file('dist/http/main.js', 'const one = 1;', time);
  file('dist/http/main.js.map', JSON.stringify({ sourcesContent: [text] }), time);
}

it('a build is refused, with what to type, when a source was changed after it', () => {
  builtOf('const one: number = 1;', EARLIER);
  file('src/http/main.ts', 'const one: number = 2;', LATER);
  expect(() => refuseStaleBuild(root)).toThrow(REFUSAL);
});

it('a build is refused when it lacks what a source is to become', () => {
  expect(() => refuseStaleBuild(root)).toThrow(REFUSAL);
});

it('a bundle is refused when a file of another package that went into it was changed or is gone', () => {
  const used = '../../packages/jobs/src/lua/claim.lua';
  mkdirSync(join(root, 'packages/jobs/src/lua'), { recursive: true });
  mkdirSync(join(root, 'packages/jobs/dist/lua'), { recursive: true });
  const digest = createHash('sha256').update('return 1').digest('hex');
  file('dist/inputs.json', JSON.stringify({ 'packages/jobs/src/lua/claim.lua': digest }), EARLIER);
  const write = (text: string) => {
    for (const path of [used, used.replace('src', 'dist')]) file(path, text, LATER);
  };
  write('return 1');
  refuseStaleBuild(root);
  write('return 2');
  const refusal = 'apps/api/dist is older than packages/jobs/src/lua/claim.lua. Type: npm run build';
  expect(() => refuseStaleBuild(root)).toThrow(refusal);
  for (const path of [used, used.replace('src', 'dist')]) rmSync(join(root, 'apps/api', path));
  expect(() => refuseStaleBuild(root)).toThrow(refusal);
});

it('a build is taken when it is newer than its sources, or was made of the same text', () => {
  builtOf('', LATER);
  refuseStaleBuild(root);
  builtOf('const one: number = 1;', EARLIER);
  file('src/http/main.ts', 'const one: number = 1;', LATER);
  refuseStaleBuild(root);
});
