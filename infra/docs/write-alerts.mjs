// `npm run docs:alerts`: writes infra/prometheus/rules/alerts.yml. Needs a build of packages/jobs.
import { writeFileSync } from 'node:fs';
import { alertsFile } from './alerts-file.mjs';

writeFileSync(new URL('../prometheus/rules/alerts.yml', import.meta.url), alertsFile());
