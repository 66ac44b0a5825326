import { readFileSync } from 'node:fs';
import type { TObject } from 'typebox';
import { describe, expect, it } from 'vitest';
import { settingsSchema, simulatorSchema } from '../src/index.js';

/** The formatter pads the cells. */
const ROW = /^\| `([A-Z][A-Z0-9_]*)` *\| *(.*?) *\| (.*?) *\|$/;

interface Row {
  readonly name: string;
  readonly default: string;
  readonly meaning: string;
}

/** The rows of one of the tables in README's section Settings. */
function rowsOfReadme(table: number): Row[] {
  const readme = readFileSync(new URL('../../../README.md', import.meta.url), 'utf8');
  const section = readme.split(/^## /m).find((part) => part.startsWith('Settings\n')) ?? '';
  const lines = section.match(/^\|.*(\n\|.*)*/gm)?.[table]?.split('\n') ?? [];
  return lines.flatMap((line) => {
    const [, name, text, meaning] = ROW.exec(line) ?? [];
    if (name === undefined || text === undefined || meaning === undefined) return [];
    return [{ name, default: text.replaceAll('`', '').trim(), meaning }];
  });
}

function rowsOf(schema: TObject): Row[] {
  const { properties } = JSON.parse(JSON.stringify(schema)) as {
    properties: Record<string, { description: string; default?: unknown }>;
  };
  // The log is set by the same variables as the services'.
  const own = Object.entries(properties).filter(([name]) => schema !== simulatorSchema || !name.startsWith('LOG_'));
  return own.map(([name, { description, default: value }]) => ({
    name,
    default: value === undefined ? '' : String(value),
    meaning: description,
  }));
}

describe.each([
  ['the services', settingsSchema, 0],
  ['the simulator', simulatorSchema, 1],
] as const)("README's table of the settings of %s", (_, schema, n) => {
  it('has a row for every setting, in the order of the schema, and no row for an unknown one', () => {
    expect(rowsOfReadme(n).map(({ name }) => name)).toEqual(rowsOf(schema).map(({ name }) => name));
  });

  it('gives each the default and the meaning that the schema gives', () => {
    expect(rowsOfReadme(n)).toEqual(rowsOf(schema));
  });
});
