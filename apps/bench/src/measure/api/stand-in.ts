import { createHash } from 'node:crypto';
import { createWorkerLedger } from '@comfy-fleet/jobs';
import { createLogger } from '@comfy-fleet/telemetry';
import { filesInMemory, redisSettings, startSimulator, until } from '@comfy-fleet/testing';
import type { Scope } from '../../lib/scope.js';
import type { ApiStack } from './api-stack.js';

const POOL = 'default';

/** Stands in for a worker: nothing is rendered. */
export interface StandIn {
  /** Ends so many waiting jobs, each with a picture that is nowhere. */
  endAll(count: number): Promise<void>;
}

/** Says that there is an instance, which has all that the simulator has. */
export async function startStandIn(scope: Scope, { redisUrl: url, prefix }: ApiStack): Promise<StandIn> {
  const gpu = await startSimulator();
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
    announceSeconds: 60,
    log: createLogger({ service: 'bench', level: 'error', format: 'pretty' }),
  });
  const catalogue = { instance: 'bench/1', seenAt: Date.now(), digest, classes, replacements: {} };
  await worker.abilities.publish([POOL], catalogue);
  const claims = await worker.claims(POOL);
  scope.onClose(async () => {
    await claims.close();
    await worker.close();
  });
  return {
    endAll: async (count) => {
      for (let n = 0; n < count; n++) {
        const claim = await until('a job to end', () => claims.next());
        const { id } = claim.record;
        const about = { kind: 'image', contentType: 'image/png', bytes: 1234, sha256: '0'.repeat(64) } as const;
        const file = { file: `${id}_1.png`, filename: 'ComfyUI_00001_.png', width: 1024, height: 640 };
        const output = {
          name: 'image',
          nodeId: '7',
          listed: { key: 'images', type: 'output' },
          ...file,
          ...about,
        } as const;
        await claim.finish({ status: 'succeeded', outputs: [output] });
      }
    },
  };
}
