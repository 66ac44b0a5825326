import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

const conditions = ['@comfy-fleet/source'];
const gears = 'packages/testing/src/gears';
const cores = Math.max(2, availableParallelism());

/** Test files are named after their gear, which says what they need: *.test.ts, *.redis.test.ts, *.system.test.ts. */
const files = (suffix: string) => ['{apps,packages}/*/test/**', 'infra/*/test/**'].map((dir) => `${dir}/*${suffix}`);

/** Small files that take more than ten seconds. */
const SLOW = [
  'apps/api/test/hostile-requests.redis.test.ts',
  'apps/worker/test/left-rendering.redis.test.ts',
  'apps/worker/test/silent-instance.redis.test.ts',
  'apps/bench/test/chaos.system.test.ts',
  'packages/jobs/test/redis-cluster.system.test.ts',
  'packages/jobs/test/redis-sentinels.system.test.ts',
  'packages/testing/test/missing-model.system.test.ts',
];

/** Vitest begins with the largest files. If a slow one began last, the other workers would wait for it at the end. */
class SlowFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]) {
    const sorted = await super.sort(files);
    const isSlow = ({ moduleId }: TestSpecification) => SLOW.some((path) => moduleId.endsWith(path));
    return [...sorted.filter(isSlow), ...sorted.filter((file) => !isSlow(file))];
  }
}

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions, externalConditions: conditions } },
  test: {
    // No file leaves anything behind for the next one, and loading everything anew for each takes most of the time.
    isolate: false,
    // What one gear has transformed the next one finds.
    experimental: { fsModuleCache: true },
    sequence: { sequencer: SlowFirst },
    // Deadlines only for what hangs: no test is to fail because a machine is slow.
    testTimeout: 300_000,
    hookTimeout: 300_000,
    expect: { poll: { timeout: 180_000 } },
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          include: files('.test.ts'),
          exclude: files('.{redis,system}.test.ts'),
          setupFiles: [`${gears}/unit.ts`],
          // Some wait for a deadline, and the others go on meanwhile.
          maxWorkers: cores + 1,
          sequence: { groupOrder: 1 },
        },
      },
      {
        extends: true,
        test: {
          name: 'redis',
          include: files('.redis.test.ts'),
          globalSetup: [`${gears}/shared-redis.ts`],
          setupFiles: [`${gears}/redis.ts`],
          // These wait for Redis and for each other's ends most of the time.
          maxWorkers: 3 * cores,
          sequence: { groupOrder: 2 },
        },
      },
      {
        extends: true,
        test: {
          name: 'system',
          include: files('.system.test.ts'),
          globalSetup: [`${gears}/fresh-build.ts`, `${gears}/shared-redis.ts`],
          // These wait for processes, which do the work.
          maxWorkers: 2 * cores,
          sequence: { groupOrder: 3 },
        },
      },
    ],
  },
});
