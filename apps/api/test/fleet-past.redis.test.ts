import type { FleetAlerts, FleetHistory, FleetTimeline } from '@comfy-fleet/contracts';
import { until } from '@comfy-fleet/testing';
import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest';
import { anInstance, aWorker } from './announcements.js';
import { aKey, as, problemOf, startApi, type TestApi } from './api.js';

let api: TestApi;
beforeEach(async () => {
  api = await startApi(inject('redisUrl'));
});
afterEach(() => api.close());

const SURROUNDINGS = { freeBytes: 1, replicasWanted: 0, stepSeconds: 15 };
const read = async <T>(path: string) => (await (await api.get(path)).json()) as T;

/** Executes a job to its end in `executedMs`. */
async function executed(executedMs = 1000): Promise<string> {
  const { id } = await api.accepted({ lod: 'mid' });
  const claim = await api.claim();
  await claim.submit('11111111-1111-7111-8111-111111111111', 'gpu-1/1');
  await claim.start('11111111-1111-7111-8111-111111111111');
  await claim.finish({ status: 'succeeded', outputs: [], executedMs, loadedMs: 250 });
  return id;
}

describe('GET /fleet/timeline', () => {
  it('shows what each instance executed, by jobs', async () => {
    await api.worker.presence.announce(aWorker({ instances: [anInstance(), anInstance({ name: 'gpu-1/2' })] }));
    const id = await executed();
    const { from, to, instances } = await read<FleetTimeline>('/fleet/timeline?minutes=5');
    expect(Date.parse(to) - Date.parse(from)).toBe(300_000);
    expect(instances).toEqual([
      {
        instance: 'gpu-1/1',
        cut: false,
        stretches: [
          {
            from: expect.any(String),
            to: expect.any(String),
            jobs: 1,
            job_id: id,
            workflow: 'text2img',
            lod: 'mid',
            key: 'anonymous',
            outcome: 'completed',
            loading_seconds: 0.3,
          },
        ],
      },
      { instance: 'gpu-1/2', cut: false, stretches: [] },
    ]);
  });

  it('is for admins only, and covers at most an hour', async () => {
    for (const path of ['/fleet/timeline', '/fleet/history']) {
      for (const minutes of ['0', '61', 'x']) {
        expect(await problemOf(await api.get(`${path}?minutes=${minutes}`))).toMatchObject({
          code: 'validation_failed',
        });
      }
    }
    const own = await startApi(inject('redisUrl'), { keys: [aKey('anna'), aKey('boss', { scopes: ['admin'] })] });
    for (const path of ['/fleet/timeline', '/fleet/history', '/fleet/alerts']) {
      expect((await own.get(path, as('anna'))).status).toBe(403);
      expect((await own.get(path, as('boss'))).status).toBe(200);
    }
    await own.close();
  });
});

describe('GET /fleet/history', () => {
  it('shows samples, with the jobs that ended between them and the GPU time of each key', async () => {
    await api.worker.presence.announce(aWorker());
    await api.keeper.sample(SURROUNDINGS);
    await executed(40_000);
    const waiting = await api.accepted();
    await api.keeper.sample(SURROUNDINGS);
    await api.post(`/jobs/${waiting.id}/cancel`, {});
    await api.keeper.sample(SURROUNDINGS);
    const { step_seconds, samples } = await read<FleetHistory>('/fleet/history');
    expect(step_seconds).toBe(15);
    const idle = { waiting: 0, running: 0, completed: 0, failed: 0, canceled: 0, instances_up: 1 };
    expect(samples).toMatchObject([
      { ...idle, gpu_seconds: {} },
      { ...idle, waiting: 1, completed: 1 },
      { ...idle, canceled: 1 },
    ]);
    expect(samples[1]?.gpu_seconds.anonymous).toBeGreaterThan(0);
    // The 40 s are spread over a minute, and a step is a quarter of a minute.
    expect(samples[1]?.gpu_seconds.anonymous).toBeLessThanOrEqual(10);
    expect((await read<FleetHistory>('/fleet/history?minutes=1')).samples).toHaveLength(3);
  });
});

describe('GET /fleet/alerts', () => {
  it('shows when the alerts were judged, and each active alert with its page of the runbook', async () => {
    expect(await read('/fleet/alerts')).toEqual({ judged_at: null, alerts: [] });
    await api.worker.presence.announce(aWorker({ instances: [anInstance({ state: 'wedged' })] }));
    await api.keeper.sample(SURROUNDINGS);
    const first = await read<FleetAlerts>('/fleet/alerts');
    expect(first.judged_at).not.toBeNull();
    // An alert becomes active only after its condition has lasted for some time.
    expect(first.alerts).toEqual([]);
    await api.accepted({ lod: 'sketch', start_within_seconds: 1 });
    await until('the job expired', async () => {
      await api.keeper.sweep();
      await api.keeper.sample(SURROUNDINGS);
      return (await read<FleetAlerts>('/fleet/alerts')).alerts.length > 0;
    });
    const { alerts } = await read<FleetAlerts>('/fleet/alerts');
    const summary = 'sketch jobs expire before they start';
    const runbook = '/docs/runbook.html#jobsexpire';
    expect(alerts).toEqual([
      {
        name: 'JobsExpire',
        since: expect.any(String),
        severity: 'warning',
        summary,
        subject: { lod: 'sketch' },
        runbook,
      },
    ]);
    const page = await api.get(runbook);
    expect(page.headers.get('content-security-policy')).toContain("default-src 'none'");
    const text = await page.text();
    expect(text).toContain('<h2 id="jobsexpire">JobsExpire</h2>');
    expect(text).toContain('href="runbook.css"');
    expect((await api.get('/docs/runbook.css')).headers.get('content-type')).toContain('text/css');
  });
});
