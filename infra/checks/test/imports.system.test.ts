import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const project = fileURLToPath(new URL('../../..', import.meta.url));
const PACKAGES = ['contracts', 'config', 'jobs', 'comfyui', 'frames', 'workflows', 'redis', 'client', 'testing'];
const LIBRARIES = [
  'express',
  'bullmq',
  'ioredis',
  'axios',
  'undici',
  'prom-client',
  '@opentelemetry/api',
  '@aws-sdk/client-s3',
  'lodash',
];

/** Where, what, and the one rule that it breaks. */
const FAULTS: [folder: string, code: string, rule: string][] = [
  ['packages/contracts/src', "import '@comfy-fleet/config';", 'layers-contracts'],
  ['packages/client/src', "import '@comfy-fleet/config';", 'layers-client'],
  ['packages/config/src', "import '@comfy-fleet/workflows';", 'layers-config'],
  ['packages/workflows/src', "import '@comfy-fleet/jobs';", 'layers-workflows'],
  ['packages/telemetry/src', "import '@comfy-fleet/jobs';", 'layers-telemetry'],
  ['packages/redis/src', "import '@comfy-fleet/jobs';", 'layers-redis'],
  ['packages/safe-http/src', "import '@comfy-fleet/jobs';", 'layers-safe-http'],
  ['packages/jobs/src', "import '@comfy-fleet/comfyui';", 'layers-jobs'],
  ['packages/jobs/src', "import '../../../apps/api/src/index.js';", 'layers-jobs'],
  ['packages/comfyui/src', "import '@comfy-fleet/frames';", 'layers-comfyui'],
  ['packages/frames/src', "import '@comfy-fleet/jobs';", 'layers-frames'],
  ['packages/config/src', "import type { Inner } from '@comfy-fleet/jobs';", 'layers-config'],
  ['packages/config/src', "import { type Inner } from '@comfy-fleet/jobs';", 'layers-config'],
  ['packages/config/src', "export type { Inner } from '@comfy-fleet/jobs';", 'layers-config'],
  ['packages/config/src', "export * from '@comfy-fleet/jobs';", 'layers-config'],
  ['packages/config/src', "export const later = () => import('@comfy-fleet/jobs');", 'layers-config'],
  ['apps/api/src', "import '../../worker/src/index.js';", 'apps-never-import-apps'],
  ['apps/api/src', "import '@comfy-fleet/testing';", 'testing-only-in-tests'],
  ['packages/jobs/src', "import '@comfy-fleet/testing';", 'testing-only-in-tests'],
  ['apps/api/src', "import '../test/support.js';", 'no-import-of-tests'],
  ['apps/worker/src', "import '../../../packages/jobs/src/inner.js';", 'through-the-front-door'],
  ['apps/worker/src', "import 'express';", 'express-only-at-home'],
  ['apps/api/src', "import 'bullmq';", 'bullmq-only-at-home'],
  ['apps/api/test', "import 'ioredis';", 'ioredis-only-at-home'],
  ['apps/bench/src/measure/api', "import 'express';", 'express-only-at-home'],
  ['packages/jobs/src', "import 'axios';", 'axios-only-at-home'],
  ['packages/comfyui/src', "import 'axios';", 'axios-only-at-home'],
  ['packages/safe-http/src', "import 'undici';", 'undici-only-at-home'],
  ['apps/worker/src', "import 'prom-client';", 'prom-client-only-at-home'],
  ['apps/worker/src', "import '@opentelemetry/api';", '@opentelemetry-only-at-home'],
  ['apps/worker/src', "import '@aws-sdk/client-s3';", '@aws-sdk-only-at-home'],
  ['infra/local', "import 'lodash';", 'runner-is-plain-node'],
  ['infra/local', "import '../../packages/config/src/index.js';", 'runner-is-plain-node'],
  ['packages/jobs/src', "import './ring.js';", 'no-circular'],
  ['packages/jobs/src', "import './nowhere.js';", 'resolvable'],
];

const SOUND: [folder: string, code: string][] = [
  ['apps/worker/src', "import '@comfy-fleet/jobs'; import '@comfy-fleet/config';"],
  ['apps/simulator/src', "import 'express'; import 'lodash';"],
  ['apps/api/test', "import '@comfy-fleet/testing'; import './support.js'; import '../src/index.js';"],
  ['packages/jobs/src', "import 'bullmq'; import 'ioredis'; import '@comfy-fleet/contracts';"],
  ['packages/comfyui/src', "import 'undici'; import '@comfy-fleet/config';"],
  ['packages/safe-http/src', "import 'axios'; import '@comfy-fleet/contracts';"],
  ['packages/jobs/src', "import '@comfy-fleet/redis';"],
  ['packages/testing/src', "import '../../../apps/simulator/src/index.js';"],
  ['infra/local', "import 'node:fs'; import './start.mjs';"],
];

const fileOf = (prefix: string, index: number, folder: string) =>
  `${folder}/${prefix}${index}.${folder.startsWith('infra') ? 'mjs' : 'ts'}`;

let root: string;
let violations: { from: string; rule: { name: string } }[];

/** A workspace laid out as pnpm lays it, with every fault in a file of its own; the check runs over it once. */
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'comfy-fleet-imports-'));
  await layWorkspace();
  for (const [index, [folder, code]] of FAULTS.entries()) await write(fileOf('fault', index, folder), code);
  for (const [index, [folder, code]] of SOUND.entries()) await write(fileOf('sound', index, folder), code);
  const ring = FAULTS.findIndex(([, , rule]) => rule === 'no-circular');
  await write('apps/bench/src/measure/api/bare-server.ts', "import 'express'; import 'bullmq'; import 'ioredis';");
  await write('packages/jobs/src/ring.ts', `import './fault${ring}.js';`);
  violations = await check();
});

afterAll(() => rm(root, { recursive: true, force: true }));

async function write(path: string, text: string): Promise<void> {
  await mkdir(dirname(join(root, path)), { recursive: true });
  await writeFile(join(root, path), text);
}

async function layWorkspace(): Promise<void> {
  await mkdir(join(root, 'node_modules/@comfy-fleet'), { recursive: true });
  for (const name of LIBRARIES) {
    const home = `node_modules/.pnpm/${name}@1.0.0/node_modules/${name}`;
    await write(`${home}/package.json`, JSON.stringify({ name, version: '1.0.0', main: 'dist/index.js' }));
    await write(`${home}/dist/index.js`, 'module.exports = {};');
    await mkdir(dirname(join(root, 'node_modules', name)), { recursive: true });
    await symlink(join(root, home), join(root, 'node_modules', name));
  }
  for (const name of PACKAGES) {
    const exports = { '.': { '@comfy-fleet/source': './src/index.ts', default: './dist/index.js' } };
    await write(`packages/${name}/package.json`, JSON.stringify({ name: `@comfy-fleet/${name}`, exports }));
    await write(`packages/${name}/src/index.ts`, "export * from './inner.js';");
    await write(`packages/${name}/src/inner.ts`, 'export interface Inner { readonly a: string }');
    await symlink(join(root, 'packages', name), join(root, 'node_modules/@comfy-fleet', name));
  }
  for (const name of ['api', 'worker', 'simulator']) await write(`apps/${name}/src/index.ts`, 'export const a = 1;');
  await write('apps/api/test/support.ts', 'export const a = 1;');
  await write('infra/local/start.mjs', 'export const a = 1;');
}

/** What the project's own check finds in the tree. */
async function check(): Promise<typeof violations> {
  const tool = join(project, 'node_modules/dependency-cruiser/bin/dependency-cruise.mjs');
  const config = join(project, '.dependency-cruiser.cjs');
  const args = [tool, '--config', config, '--output-type', 'json', 'apps', 'packages', 'infra'];
  const json = await new Promise<string>((resolve, reject) => {
    // the exit code is the number of violations
    execFile(process.execPath, args, { cwd: root }, (error, stdout) =>
      stdout === '' ? reject(error) : resolve(stdout),
    );
  });
  return (JSON.parse(json) as { summary: { violations: typeof violations } }).summary.violations;
}

describe('the check of imports', () => {
  it.each(FAULTS.map((fault, index) => [...fault, index] as const))(
    'refuses in %s the code %s: %s',
    (folder, _code, rule, index) => {
      const found = violations.filter(({ from }) => from === fileOf('fault', index, folder));
      expect(found.map((violation) => violation.rule.name)).toEqual([rule]);
    },
  );

  it('finds nothing in files without faults', () => {
    const found = violations.filter(({ from }) => !from.includes('/fault') && !from.endsWith('/ring.ts'));
    expect(found).toEqual([]);
  });

  it('has a fault here for every rule', async () => {
    const { default: config } = await import('../../../.dependency-cruiser.cjs');
    const rules: string[] = config.forbidden.map((rule: { name: string }) => rule.name);
    expect([...new Set(FAULTS.map(([, , rule]) => rule))].sort()).toEqual(rules.sort());
  });
});
