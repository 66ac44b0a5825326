import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort, type S3Server, startS3Server, startSimulator } from '@comfy-fleet/testing';
import { afterAll, beforeAll, describe, expect, inject, it, onTestFinished, vi } from 'vitest';
import { type Run, run } from './run.js';
import { runBuilt } from './run-built.js';

const PASSWORD = 'a-password-that-nobody-may-see';
/** On a busy machine Redis may take longer to answer than the default of 800 ms. */
const PATIENT = { REDIS_TIMEOUT_MS: '10000' };

interface Finding {
  readonly check: string;
  readonly level: 'ok' | 'warn' | 'fail';
  readonly found: string;
  readonly mend?: string;
}

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'comfy-fleet-doctor-'));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

function read({ code, stdout, stderr }: Run) {
  expect(stdout + stderr).not.toContain(PASSWORD);
  expect(stderr).toBe('');
  const { findings } = JSON.parse(stdout) as { findings: Finding[] };
  return { code, findings, bad: findings.filter(({ level }) => level === 'fail') };
}

describe('the doctor as a process', () => {
  it('prints a line for each check and a summary, and exits with 0 if nothing fails', async () => {
    const comfyui = await startSimulator();
    onTestFinished(() => comfyui.close());
    const settings = { REDIS_URL: inject('redisUrl'), COMFYUI_URLS: comfyui.url, MIN_FREE_BYTES: '1', ...PATIENT };
    const { code, stdout, stderr } = await runBuilt(['doctor'], { ...settings, FRAMES_DIR: join(dir, 'frames') }, dir);
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(/^ok {4}redis-eviction {6}noeviction: Redis deletes nothing/m);
    expect(stdout).toMatch(/^ok {4}redis-aof {11}on, appendfsync always/m);
    expect(stdout).toMatch(/\d+ ok, \d warnings?, 0 failed\n$/);
  });

  it('exits with 1 if the server at the address of Redis never answers', async () => {
    const silent = createServer(() => {});
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => {
      silent.close();
    });
    const { port } = silent.address() as { port: number };
    const settings = { REDIS_URL: `redis://127.0.0.1:${port}`, REDIS_TIMEOUT_MS: '500', MIN_FREE_BYTES: '1' };
    const { code, bad } = read(await runBuilt(['doctor', '--json'], settings, dir));
    const found = expect.stringContaining(`redis://127.0.0.1:${port}`);
    expect([code, bad]).toMatchObject([1, [{ check: 'redis', found }]]);
  });

  it('exits with 2 for an unknown command', async () => {
    const refusal = { code: 2, stdout: '', stderr: expect.stringContaining("unknown command 'docter'") };
    expect(await runBuilt(['docter'], {}, dir)).toEqual(refusal);
  });
});

describe('the doctor with pictures in a bucket', () => {
  let server: S3Server;
  beforeAll(async () => {
    server = await startS3Server();
    vi.stubEnv('AWS_ACCESS_KEY_ID', server.env.AWS_ACCESS_KEY_ID);
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', PASSWORD);
  });
  afterAll(async () => {
    vi.unstubAllEnvs();
    await server.close();
  });
  const examine = async (changes: Readonly<Record<string, string>>) =>
    read(await run(['doctor', '--json'], { REDIS_URL: inject('redisUrl'), ...PATIENT, ...server.env, ...changes }));

  it('stores a picture and deletes it again', async () => {
    const { bad, findings } = await examine({});
    expect(bad).toEqual([]);
    expect(findings.find(({ check }) => check === 'storage')?.found).toBe(
      `the bucket ${server.bucket} at ${server.url}: a picture was stored, read back and deleted`,
    );
    expect(findings.map(({ check }) => check)).not.toContain('storage-room');
    const isOld = Number.parseInt(process.versions.node, 10) < 22;
    const warned = findings.filter(({ check, level }) => check === 'node' && level === 'warn');
    expect(warned.map(({ found }) => found)).toEqual(isOld ? [expect.stringContaining('need Node 22')] : []);
  });

  it('says what is wrong with the bucket', async () => {
    const { code, bad } = await examine({ S3_BUCKET: 'another' });
    expect([code, bad.map(({ check }) => check)]).toEqual([1, ['storage']]);
    expect(bad[0]?.found).toMatch(/^the bucket another at /);
    expect(bad[0]?.mend).toMatch(/^make sure that the bucket exists \(S3_BUCKET/);
  });

  it("says that nothing answers at the bucket's address", async () => {
    const endpoint = `http://127.0.0.1:${await freePort()}`;
    const { bad } = await examine({ S3_BUCKET: 'pictures', S3_ENDPOINT: endpoint });
    expect(bad).toMatchObject([{ check: 'storage', found: expect.stringContaining(`pictures at ${endpoint}: `) }]);
  });
});
