import { defineConfig } from 'vitest/config';

const conditions = ['@comfy-fleet/source'];

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions, externalConditions: conditions } },
  test: {
    include: ['{apps,packages}/*/test/**/*.test.ts', 'infra/*/test/**/*.test.ts'],
    globalSetup: ['packages/testing/src/redis-global-setup.ts'],
    testTimeout: 20_000,
    hookTimeout: 20_000,
  },
});
