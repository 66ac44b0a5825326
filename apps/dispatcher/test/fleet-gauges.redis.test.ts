import { JOB_KINDS, LODS, TERMINAL_STATUSES } from '@comfy-fleet/contracts';
import { createLogger, createMetrics } from '@comfy-fleet/telemetry';
import { startRedisServer, until } from '@comfy-fleet/testing';
import { expect, it, onTestFinished } from 'vitest';
import { showFleet } from '../src/metrics/fleet-gauges.js';
import { openHousehold } from './household.js';

/** All ends of a job, and its creation. */
const OUTCOMES = TERMINAL_STATUSES.length + 1;

const isOfFleet = (line: string) => /^comfy_fleet_(jobs_total|queue_jobs|backlog_seconds|fleet_paused)\b/.test(line);

/** Scrapes until the fleet's metrics are there, since a stalled machine may miss the deadline at first. */
const scraped = (scrape: () => Promise<string>) =>
  until('something of the fleet is shown', async () => {
    const lines = (await scrape()).split('\n');
    return lines.some(isOfFleet) && lines;
  });

it('counts each job once in concurrent scrapes', async () => {
  const { create, keeper } = await openHousehold();
  await create();
  await create();
  const metrics = createMetrics({ service: 'test', log: createLogger({ service: 'test', level: 'error' }) });
  showFleet({ metrics, keeper, freeBytes: async () => 1234 });

  for (const lines of await Promise.all([1, 2, 3].map(() => scraped(metrics.scrape)))) {
    expect(lines).toContain('comfy_fleet_jobs_total{kind="text2img",lod="sketch",outcome="created"} 2');
    expect(lines).toContain('comfy_fleet_queue_jobs{pool="default",lod="sketch",state="waiting"} 2');
    expect(
      lines.filter((line) => line.startsWith('comfy_fleet_key_oldest_wait_seconds{key="anonymous"}')),
    ).toHaveLength(1);
    expect(lines).toContain('comfy_fleet_frames_free_bytes 1234');
  }
});

it('exports the 20 keys with the most stored bytes, and the share of each after the first housekeeping', async () => {
  const { keeper, ledger } = await openHousehold();
  const metrics = createMetrics({ service: 'test', log: createLogger({ service: 'test', level: 'error' }) });
  showFleet({ metrics, keeper, freeBytes: async () => undefined });
  await ledger.storage.add('early', { digest: 'ab'.repeat(32), bytes: 10 }); // counts for more
  const shown = async () =>
    (await scraped(metrics.scrape)).filter((line) => line.startsWith('comfy_fleet_key_storage_'));
  expect(await shown()).toEqual(['comfy_fleet_key_storage_bytes{key="early"} 16384']);
  const keys = new Map(Array.from({ length: 25 }, (_, n) => [`key ${n}`, { bytes: 100 + n, evictable: 0, files: 1 }]));
  await keeper.recordStorage({ kinds: {}, bytes: 3000, most: 5000, keys });
  const found = await until('what was noted is shown', async () => {
    const lines = await shown();
    return lines.length > 1 && lines;
  });
  expect(found).toHaveLength(21);
  expect(found).toContain('comfy_fleet_key_storage_bytes{key="key 5"} 105');
  expect(found).not.toContain('comfy_fleet_key_storage_bytes{key="key 4"} 104');
  expect(found).toContain('comfy_fleet_key_storage_share_bytes 200');
});

it('exports the alerts whose condition held when they were last judged, with their subjects', async () => {
  const { create, keeper } = await openHousehold();
  await create();
  await keeper.sample({ freeBytes: 1, replicasWanted: 0, stepSeconds: 15 });
  const metrics = createMetrics({ service: 'test', log: createLogger({ service: 'test', level: 'error' }) });
  showFleet({ metrics, keeper, freeBytes: async () => undefined });

  const lines = await scraped(metrics.scrape);

  expect(lines.filter((line) => line.startsWith('comfy_fleet_alert{'))).toEqual(
    expect.arrayContaining([
      'comfy_fleet_alert{alert="FramesDiskFull",instance="",pool="",lod="",key="",code=""} 1',
      'comfy_fleet_alert{alert="PoolDownWhileJobsWait",instance="",pool="default",lod="",key="",code=""} 1',
      'comfy_fleet_alert{alert="RedisMemoryHigh",instance="",pool="",lod="",key="",code=""} 0',
    ]),
  );
});

it('exports outcomes that never happened as 0, so that Prometheus sees the first ones', async () => {
  const { create, keeper } = await openHousehold();
  await create();
  const metrics = createMetrics({ service: 'test', log: createLogger({ service: 'test', level: 'error' }) });
  showFleet({ metrics, keeper, freeBytes: async () => undefined });

  const lines = await scraped(metrics.scrape);

  expect(lines).toContain('comfy_fleet_jobs_total{kind="text2img",lod="sketch",outcome="created"} 1');
  expect(lines).toContain('comfy_fleet_jobs_total{kind="text2img",lod="sketch",outcome="expired"} 0');
  expect(lines).toContain('comfy_fleet_jobs_total{kind="img2img",lod="direct_final",outcome="failed"} 0');
  expect(lines).toContain('comfy_fleet_jobs_total{kind="workflow",lod="mid",outcome="failed"} 0');
  expect(lines.filter((line) => line.startsWith('comfy_fleet_jobs_total{'))).toHaveLength(
    JOB_KINDS.length * LODS.length * OUTCOMES,
  );
});

it('exports no fleet metrics while Redis is down, instead of old ones, and all of them when it is back', async () => {
  const redis = await startRedisServer();
  onTestFinished(() => redis.close());
  const { create, keeper } = await openHousehold({ url: redis.url });
  await create();
  const metrics = createMetrics({ service: 'test', log: createLogger({ service: 'test', level: 'error' }) });
  showFleet({ metrics, keeper, freeBytes: async () => 1234 });
  const shown = async () => (await metrics.scrape()).split('\n').filter((line) => line.startsWith('comfy_fleet_'));
  const before = (await scraped(metrics.scrape)).filter(isOfFleet);
  expect(before).toContain('comfy_fleet_backlog_seconds{pool="default"} 10');
  expect(before).toContain('comfy_fleet_fleet_paused 0');

  await redis.stop();
  const without = await until('what was read is too old', async () => {
    const lines = await shown();
    return !lines.includes('comfy_fleet_fleet_paused 0') && lines;
  });
  expect(without.filter((line) => isOfFleet(line) || line.startsWith('comfy_fleet_key_'))).toEqual([]);
  expect(without).toContain('comfy_fleet_frames_free_bytes 1234');

  await redis.restart();
  expect((await scraped(metrics.scrape)).filter(isOfFleet)).toEqual(before);
});
