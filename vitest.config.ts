import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

const conditions = ['@comfy-fleet/source'];

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions, externalConditions: conditions } },
  test: {
    include: ['{apps,packages}/*/test/**/*.test.ts', 'infra/*/test/**/*.test.ts'],
    globalSetup: ['packages/testing/src/redis-global-setup.ts'],
    // The tests mostly wait, for sockets and processes: vitest's own default is one at a time on two cores.
    maxWorkers: Math.max(2, availableParallelism() - 1),
    testTimeout: 20_000,
    hookTimeout: 20_000,
  },
});
