import type { JobRecord } from '@comfy-fleet/jobs';
import { createMetrics } from '@comfy-fleet/telemetry';
import { expect, it } from 'vitest';
import { createInstruments } from '../src/instruments.js';
import { GpuMeter } from '../src/slots/gpu-meter.js';
import { quietLog } from './held.js';

const JOB = { pool: 'default', request: { inputs: {} } as JobRecord['request'] };

it('measures a gap before each prompt after the first, and none before one that is taken over', async () => {
  const metrics = createMetrics({ service: 'test', log: quietLog() });
  const meter = new GpuMeter('w/1', createInstruments(metrics));
  meter.began(JOB, 0);
  meter.ended(100);
  meter.began(JOB, 110);
  meter.ended(150);
  meter.began(JOB, 160, true);
  expect(await metrics.scrape()).toMatch(/instance_gap_seconds_count\{[^}]*instance="w\/1"[^}]*\} 1\n/);
});
