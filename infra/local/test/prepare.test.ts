import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { writeInputs } from '../../build/inputs.mjs';
import { prepareForDevelopment, prepareToRun, prepareToStart } from '../prepare.mjs';
import { createPrinter } from '../printer.mjs';

const APPS = ['studio', 'api', 'worker', 'dispatcher', 'cli', 'simulator'].map((app) => `apps/${app}`);
const SOURCE = 'source.ts';
/** Stands for the built packages/config. */
const CHECKS = 'export const settingFaults = ({ WRONG }) => (WRONG === undefined ? [] : [WRONG]);';
let root: string;
/** What was run: the arguments after pnpm's name, or the folders that were built. */
let ran: string[];
let printed: string;
let failing: boolean;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'comfy-fleet-prepare-'));
  writeFileSync(join(root, 'package.json'), '{"packageManager": "pnpm@10.0.0"}');
  writeFileSync(join(root, 'pnpm-lock.yaml'), 'first');
  writeFileSync(join(root, SOURCE), 'first');
  mkdirSync(join(root, 'node_modules'));
  [ran, printed, failing] = [[], '', false];
});
afterEach(() => rmSync(root, { recursive: true }));

function means(env: NodeJS.ProcessEnv = {}) {
  const run = async (
    name: string,
    _command: string,
    args: readonly string[],
    _env?: NodeJS.ProcessEnv,
    onLine: (line: string) => void = () => undefined,
  ) => {
    onLine(`${name} speaks`);
    if (failing) throw new Error(`${name} failed`);
    const folders = args.filter((arg) => /^(apps|packages|infra)\//.test(arg));
    if (name === 'install' && !args.includes('--prod'))
      mkdirSync(join(root, 'node_modules/vitest'), { recursive: true });
    ran.push(name === 'install' ? `install${args.includes('--prod') ? ' --prod' : ''}` : `build ${folders.join(' ')}`);
    for (const folder of folders) {
      mkdirSync(join(root, folder, 'dist'), { recursive: true });
      writeFileSync(join(root, folder, 'dist/index.js'), CHECKS);
      writeInputs(root, folder, [SOURCE]);
    }
  };
  const write = (text: string) => {
    printed += text;
  };
  return { root, env, run, print: createPrinter({ write }, {}) };
}

it('installs only what running needs and builds what runs, then does nothing until something changes', async () => {
  await prepareToRun(means());
  await prepareToRun(means());
  expect(ran).toEqual(['install --prod', `build ${APPS.join(' ')}`]);
});

it('refuses wrong settings before it builds what they are for', async () => {
  await expect(prepareToStart(means({ WRONG: 'LOD=high: must be a number' }))).rejects.toMatchObject({
    message: 'Some settings are wrong:',
    details: ['LOD=high: must be a number.'],
  });
  expect(ran).toEqual(['install --prod', 'build packages/config']);
  await prepareToStart(means());
  expect(ran.at(-1)).toBe(`build ${APPS.join(' ')}`);
});

it('keeps what development needs if pnpm itself has installed that', async () => {
  mkdirSync(join(root, 'node_modules/vitest'));
  await prepareToRun(means());
  expect(ran[0]).toBe('install');
});

it('installs what development needs as well when tests want it, and keeps that', async () => {
  await prepareToRun(means());
  ran = [];
  await prepareForDevelopment(means());
  await prepareToRun(means());
  writeFileSync(join(root, 'pnpm-lock.yaml'), 'second');
  await prepareToRun(means());
  expect(ran).toEqual(['install', 'build packages/config apps/bench packages/client infra/npm', 'install']);
});

it('shows what a step printed only if it fails, and repeats the step next time', async () => {
  failing = true;
  await expect(prepareToRun(means())).rejects.toThrow('install failed');
  expect(printed).toContain('install speaks');
  [printed, failing] = ['', false];
  await prepareToRun(means());
  expect(ran[0]).toBe('install --prod');
  expect(printed).not.toContain('speaks');
  expect(printed).toMatch(/^Installing dependencies: \d+\.\d s\nBuilding: \d+\.\d s\n$/);
});
