import { settingsSchema, simulatorSchema } from '@comfy-fleet/config';
import { expect, it } from 'vitest';
import { settingsPage } from '../../docs/settings-page.mjs';
import { ROOT } from './support/files.js';

const own = { properties: {} };
const page = settingsPage({ settings: settingsSchema, simulator: simulatorSchema });

it('docs/settings.md is up to date; `npm run docs:settings` updates it', async () => {
  await expect(page).toMatchFileSnapshot(`${ROOT}/docs/settings.md`);
});

it('has an entry for every setting, with its default, bounds and description', () => {
  for (const schema of [settingsSchema, simulatorSchema])
    for (const [name, { description }] of Object.entries(propertiesOf(schema)))
      if (schema === settingsSchema || !name.startsWith('LOG_'))
        expect(page.replaceAll('\n  ', ' '), name).toMatch(
          new RegExp(`\\n- \\*\\*\`${name}\`\\*\\* \\(.+\\): ${literal(description)}`),
        );
  expect(page).toContain('- **`PORT`** (`3000`; 0 to 65535): ');
});

it('settingsPage throws if a setting has no topic', () => {
  const settings = { properties: { NEW_THING: { description: 'something new' } } };
  expect(() => settingsPage({ settings, simulator: own })).toThrow(
    'NEW_THING must belong to one topic but belongs to no topic',
  );
});

function literal(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}

function propertiesOf(schema: object): Record<string, { description: string }> {
  return (JSON.parse(JSON.stringify(schema)) as { properties: Record<string, { description: string }> }).properties;
}
