import { expect, it } from 'vitest';
import { alertsFile } from '../../docs/alerts-file.mjs';
import { textOf } from './support/files.js';

it('infra/prometheus/rules/alerts.yml is what `npm run docs:alerts` makes of packages/jobs/src/alerts', async () => {
  expect(await textOf('infra/prometheus/rules/alerts.yml'), 'run `npm run docs:alerts`').toBe(alertsFile());
});
