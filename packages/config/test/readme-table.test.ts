import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { settingsSchema } from '../src/index.js';

const ROW = /^\| `([A-Z][A-Z0-9_]*)` \| (.*?) \| (.*) \|$/;

interface Row {
  readonly name: string;
  readonly default: string;
  readonly meaning: string;
}

/** The first table of README's section Settings; the simulator's, with its own schema, comes after it. */
function rowsOfReadme(): Row[] {
  const readme = readFileSync(new URL('../../../README.md', import.meta.url), 'utf8');
  const section = readme.split(/^## /m).find((part) => part.startsWith('Settings\n')) ?? '';
  const [table = ''] = section.match(/^\|.*(\n\|.*)*/m) ?? [];
  return table.split('\n').flatMap((line) => {
    const [, name, text, meaning] = ROW.exec(line) ?? [];
    if (name === undefined || text === undefined || meaning === undefined) return [];
    return [{ name, default: text.replaceAll('`', '').trim(), meaning }];
  });
}

const { properties } = JSON.parse(JSON.stringify(settingsSchema)) as {
  properties: Record<string, { description: string; default?: unknown }>;
};
const described = Object.entries(properties).map(([name, schema]) => ({
  name,
  default: schema.default === undefined ? '' : String(schema.default),
  meaning: schema.description,
}));

describe("README's table of settings", () => {
  it('has a row for every setting, in the order of the schema, and no row for an unknown one', () => {
    expect(rowsOfReadme().map(({ name }) => name)).toEqual(described.map(({ name }) => name));
  });

  it('gives each the default and the meaning that the schema gives', () => {
    expect(rowsOfReadme()).toEqual(described);
  });
});
