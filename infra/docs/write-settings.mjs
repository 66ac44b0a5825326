// `npm run docs:settings`: writes docs/settings.md. Needs a build of packages/config.
import { writeFileSync } from 'node:fs';
import { settingsSchema, simulatorSchema } from '@comfy-fleet/config';
import { settingsPage } from './settings-page.mjs';

const page = settingsPage({ settings: settingsSchema, simulator: simulatorSchema });
writeFileSync(new URL('../../docs/settings.md', import.meta.url), page);
