import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadEnvFile } from '../src/index.js';

const NEW = 'COMFY_FLEET_TEST_NEW';
const SET = 'COMFY_FLEET_TEST_SET';

describe('loadEnvFile', () => {
  let dir: string;
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'comfy-fleet-env-'));
    process.env[SET] = 'from outside';
  });
  afterEach(async () => {
    delete process.env[NEW];
    delete process.env[SET];
    await rm(dir, { recursive: true });
  });

  it('adds the variables of the file, except those that are set already', async () => {
    await writeFile(join(dir, '.env'), `# a comment\n${NEW}="from the file"\n${SET}=from the file\n`);
    loadEnvFile(join(dir, '.env'));
    expect([process.env[NEW], process.env[SET]]).toEqual(['from the file', 'from outside']);
  });

  it('does nothing when there is no file', () => {
    loadEnvFile(join(dir, '.env'));
    expect(process.env[NEW]).toBeUndefined();
  });
});
