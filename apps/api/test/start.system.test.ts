import { freePort, startService, uniquePrefix, until } from '@comfy-fleet/testing';
import { expect, inject, it, onTestFinished } from 'vitest';

it('answers the first request that its open port accepts, even from a client that does not check /readyz', async () => {
  const port = await freePort();
  const env = { PORT: `${port}`, API_METRICS_PORT: '0', REDIS_URL: inject('redisUrl'), KEY_PREFIX: uniquePrefix() };
  const service = startService('api', env);
  onTestFinished(() => service.stop('SIGKILL'));
  const first = await until(
    'the port is open',
    () => fetch(`http://127.0.0.1:${port}/jobs`, { signal: AbortSignal.timeout(60_000) }).catch(() => undefined),
    { everyMs: 1 },
  );
  expect([first.status, await first.json()]).toEqual([200, { data: [], has_more: false, next_cursor: null }]);
});

it('warns of a misspelt setting, and serves the pages that the build copies beside its bundle', async () => {
  const port = await freePort();
  const env = { PORT: `${port}`, API_METRICS_PORT: '0', REDIS_URL: inject('redisUrl'), KEY_PREFIX: uniquePrefix() };
  const service = startService('api', { ...env, KEY_JOB_WAITING: '5' });
  onTestFinished(() => service.stop('SIGKILL'));
  await until('it is listening', async () => service.output.includes('listening'));
  expect(service.output).toContain('did you mean KEY_JOBS_WAITING?');
  for (const path of ['/docs', '/docs/start.js', '/docs/runbook.html', '/docs/swagger-ui.css'])
    expect([path, (await fetch(`http://127.0.0.1:${port}${path}`)).status]).toEqual([path, 200]);
});

it("also serves ComfyUI's API at the root of COMFYUI_PORT, and closes both ports", async () => {
  const [port, comfyuiPort] = [await freePort(), await freePort()];
  const service = startService('api', {
    PORT: `${port}`,
    COMFYUI_PORT: `${comfyuiPort}`,
    API_METRICS_PORT: '0',
    REDIS_URL: inject('redisUrl'),
    KEY_PREFIX: uniquePrefix(),
  });
  onTestFinished(() => service.stop('SIGKILL'));
  const ask = async (at: number, path: string) => {
    const answer = await fetch(`http://127.0.0.1:${at}${path}`);
    return [answer.status, Object.keys((await answer.json()) as object)];
  };
  await until('both ports are open', async () => {
    const asked = [ask(port, '/jobs'), ask(comfyuiPort, '/nothing')];
    return Promise.all(asked).then(
      () => true,
      () => false,
    );
  });
  const theirs = [404, ['error', 'node_errors']];
  for (const path of [
    '/nothing',
    '/api/nothing',
    '/k/s3cret/nothing',
    '/jobs/0198b5c0-0000-7000-8000-000000000000/nothing',
  ])
    expect([path, ...(await ask(comfyuiPort, path))]).toEqual([path, ...theirs]);
  for (const path of ['/', '/k/s3cret/']) {
    const answer = await fetch(`http://127.0.0.1:${comfyuiPort}${path}`);
    expect([path, answer.status, await answer.text()]).toEqual([path, 200, expect.stringContaining('comfy-fleet')]);
  }
  expect(await ask(port, '/comfyui/k/s3cret/nothing')).toEqual(theirs);
  expect((await ask(port, '/nothing'))[1]).toContain('instance');
  await service.stop('SIGTERM');
  expect(service.exitCode).toBe(0);
  expect(service.output).toContain('/comfyui/nothing');
  expect(service.output).not.toContain('s3cret');
});
