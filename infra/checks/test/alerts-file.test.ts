import { expect, it } from 'vitest';
import { alertsFile } from '../../docs/alerts-file.mjs';
import { ROOT } from './support/files.js';

it('infra/prometheus/rules/alerts.yml is up to date; `npm run docs:alerts` updates it', async () => {
  await expect(alertsFile()).toMatchFileSnapshot(`${ROOT}/infra/prometheus/rules/alerts.yml`);
});
