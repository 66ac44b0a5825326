import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { hashApiKey, loadConfig } from '@comfy-fleet/config';
import { newId } from '@comfy-fleet/contracts';
import { createLedger } from '@comfy-fleet/jobs';
import { createLogger } from '@comfy-fleet/telemetry';
import { filesInMemory, freePort, pictureRequest, uniquePrefix, until } from '@comfy-fleet/testing';
import { expect, inject, it, onTestFinished } from 'vitest';
import { run } from './run.js';

/** A keys file with the keys anna and bert, and the settings of services that use it. */
async function aFleet() {
  const dir = await mkdtemp(join(tmpdir(), 'comfy-fleet-revoke-'));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  const file = join(dir, 'keys.json');
  const keys = ['anna', 'bert'].map((id) => ({ id, sha256: hashApiKey(id), scopes: ['jobs'] }));
  await writeFile(file, JSON.stringify({ keys }));
  const reached = { REDIS_URL: inject('redisUrl'), REDIS_TIMEOUT_MS: '10000', KEY_PREFIX: uniquePrefix() };
  const ids = async () =>
    (JSON.parse(await readFile(file, 'utf8')) as { keys: { id: string }[] }).keys.map(({ id }) => id);
  return { env: { ...reached, API_KEYS_FILE: file }, ids };
}

/** Creates and reads jobs as the API does. */
async function jobsOf(env: Record<string, string>) {
  const { redis, queue, access, workflows, retention } = loadConfig(env);
  const ledger = createLedger({
    redis,
    files: filesInMemory(),
    ...queue,
    signedUrlSeconds: access.signedUrlSeconds,
    maxWorkflowVersions: workflows.maxVersions,
    assetTtlSeconds: retention.inputsMaxAgeSeconds,
    log: createLogger({ service: 'test', level: 'error', format: 'json', stream: process.stderr }),
  });
  onTestFinished(() => ledger.close());
  const answers = () => ledger.ping().then(Boolean, () => false);
  await until('Redis answers', answers);
  const order = async (caller: string) => {
    const id = newId();
    const job = { id, kind: 'text2img', request: pictureRequest(), pool: 'default', startWithinMs: 3_600_000 } as const;
    await ledger.orders.create({ jobs: [job], caller });
    return id;
  };
  return { order, status: async (id: string) => (await ledger.jobs.get(id))?.record.status };
}

it("revokes a key, and with --cancel-jobs cancels its open jobs but no other key's", async () => {
  const { env, ids } = await aFleet();
  const { order, status } = await jobsOf(env);
  const [first, second, other] = [await order('anna'), await order('anna'), await order('bert')];
  const { code, stderr } = await run(['keys', 'revoke', 'anna', '--cancel-jobs'], env);
  expect({ code, stderr }).toMatchObject({ code: 0, stderr: expect.stringContaining('Canceled 2 open jobs of anna.') });
  expect(await ids()).toEqual(['bert']);
  expect([await status(first), await status(second), await status(other)]).toEqual(['canceled', 'canceled', 'queued']);
});

it('also cancels jobs that a running API accepts before it notices that the key is revoked', async () => {
  const { env, ids } = await aFleet();
  const { order, status } = await jobsOf(env);
  const revoking = run(['keys', 'revoke', 'anna', '--cancel-jobs'], env);
  await until('the key is revoked', async () => (await ids()).length === 1);
  const late = await order('anna');
  expect((await revoking).code).toBe(0);
  expect(await status(late)).toBe('canceled');
});

it('keeps the jobs without --cancel-jobs, and cancels them when run again with it', async () => {
  const { env } = await aFleet();
  const { order, status } = await jobsOf(env);
  const id = await order('anna');
  expect((await run(['keys', 'revoke', 'anna'], env)).stderr).toContain('--cancel-jobs cancels them');
  expect(await status(id)).toBe('queued');
  const { code, stderr } = await run(['keys', 'revoke', 'anna', '--cancel-jobs'], env);
  expect({ code, stderr }).toMatchObject({ code: 0, stderr: expect.stringContaining('There is no key anna') });
  expect(await status(id)).toBe('canceled');
});

it('revokes the key while Redis is down, and says that its jobs could not be canceled', async () => {
  const { env, ids } = await aFleet();
  const away = { ...env, REDIS_URL: `redis://127.0.0.1:${await freePort()}` };
  const { code, stderr } = await run(['keys', 'revoke', 'anna', '--cancel-jobs'], away);
  expect(await ids()).toEqual(['bert']);
  expect({ code, stderr }).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/The key anna is revoked\..*could not be canceled.*run this command again/s),
  });
});
