import { createHash } from 'node:crypto';
import { createWorkerLedger } from '@comfy-fleet/jobs';
import { createLogger } from '@comfy-fleet/telemetry';
import { filesInMemory, redisSettings, startSimulator } from '@comfy-fleet/testing';
import type { ApiStack } from './api-stack.js';

/** Publishes what the simulator has as the catalogue of an instance: the API judges graphs by it. */
export async function publishCatalogue({ redisUrl: url, prefix }: ApiStack): Promise<void> {
  const gpu = await startSimulator({ version: '0.33.0' });
  const answer = await fetch(`${gpu.url}/object_info`);
  const known = Object.entries((await answer.json()) as Record<string, object>);
  await gpu.close();
  const classes = known.map(([name, entry]): [string, string] => [name, JSON.stringify(entry)]);
  const digest = createHash('sha256').update(JSON.stringify(classes)).digest('hex');
  const worker = createWorkerLedger({
    redis: redisSettings({ url, prefix }),
    files: filesInMemory(),
    worker: 'bench',
    jobTtlSeconds: 3600,
    maxWorkerDeaths: 10,
    maxOvertakes: 100,
    modelPatienceMs: 30_000,
    timelineEntries: 720,
    lockMs: 60_000,
    stalledCheckMs: 60_000,
    keptWorkItems: 1000,
    announceSeconds: 60,
    log: createLogger({ service: 'bench', level: 'error', format: 'pretty' }),
  });
  const catalogue = { instance: 'bench/1', seenAt: Date.now(), digest, classes, replacements: {} };
  await worker.abilities.publish(['default'], catalogue);
  await worker.close();
}
