import { createLogger, createMetrics } from '@comfy-fleet/telemetry';
import { expect, it } from 'vitest';
import { showFleet } from '../src/metrics/fleet-gauges.js';
import { openHousehold } from './household.js';

it('shows each job once to all who ask at the same moment', async () => {
  const { create, keeper } = await openHousehold();
  await create();
  await create();
  const metrics = createMetrics({ service: 'test', log: createLogger({ service: 'test', level: 'error' }) });
  showFleet({ metrics, keeper, room: async () => 1234, replicasWanted: 0 });

  const texts = await Promise.all([metrics.scrape(), metrics.scrape(), metrics.scrape()]);

  for (const text of texts) {
    const lines = text.split('\n');
    expect(lines).toContain('comfy_fleet_jobs_total{kind="text2img",lod="sketch",outcome="created"} 2');
    expect(lines).toContain('comfy_fleet_queue_jobs{pool="default",lod="sketch",state="waiting"} 2');
    expect(lines).toContain('comfy_fleet_frames_free_bytes 1234');
  }
});

it('shows that Redis has fewer replicas than are wanted', async () => {
  const { keeper } = await openHousehold();
  const metrics = createMetrics({ service: 'test', log: createLogger({ service: 'test', level: 'error' }) });
  showFleet({ metrics, keeper, room: async () => undefined, replicasWanted: 2 });

  const lines = (await metrics.scrape()).split('\n');

  expect(lines).toContain('comfy_fleet_redis_replicas 0');
  expect(lines).toContain('comfy_fleet_redis_replicas_wanted 2');
});

it('shows jobs that never failed or expired as 0, so that the first ones that do are seen to be more', async () => {
  const { create, keeper } = await openHousehold();
  await create();
  const metrics = createMetrics({ service: 'test', log: createLogger({ service: 'test', level: 'error' }) });
  showFleet({ metrics, keeper, room: async () => undefined, replicasWanted: 0 });

  const lines = (await metrics.scrape()).split('\n');

  expect(lines).toContain('comfy_fleet_jobs_total{kind="text2img",lod="sketch",outcome="created"} 1');
  expect(lines).toContain('comfy_fleet_jobs_total{kind="text2img",lod="sketch",outcome="expired"} 0');
  expect(lines).toContain('comfy_fleet_jobs_total{kind="img2img",lod="direct_final",outcome="failed"} 0');
  expect(lines.filter((line) => line.startsWith('comfy_fleet_jobs_total{'))).toHaveLength(2 * 4 * 5);
});
