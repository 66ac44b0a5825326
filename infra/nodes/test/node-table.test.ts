import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { expect, it } from 'vitest';
import { addCatalogue, type NodeTable, tableText, unreviewedClasses } from '../node-table.mjs';

const ROOT = new URL('../../../', import.meta.url);
const TEXT = readFileSync(new URL('packages/workflows/src/nodes/node-table.json', ROOT), 'utf8');
const table = (): NodeTable => JSON.parse(TEXT);

function catalogueOf(version: string) {
  const packed = readFileSync(new URL(`apps/simulator/src/data/object-info-${version}.json.gz`, ROOT));
  return JSON.parse(gunzipSync(packed).toString());
}

it.each(['0.3.64', '0.33.0'])('has every class and input of ComfyUI %s, with its module', (version) => {
  const updated = table();
  addCatalogue(updated, catalogueOf(version));
  expect(tableText(updated)).toBe(TEXT);
});

it('has no unreviewed entries', () => {
  expect(unreviewedClasses(table())).toEqual([]);
});

it('refuses every class that takes a path, code or a URL, with a reason', () => {
  const isRisky = (kind: string) => ['path', 'code', 'url'].includes(kind);
  const risky = Object.entries(table()).filter(([, { inputs }]) => Object.values(inputs).some(isRisky));
  expect(risky.length).toBeGreaterThan(10);
  expect(risky.filter(([, { refused = '' }]) => refused === '').map(([name]) => name)).toEqual([]);
});

it('adds a new class and a new input as unreviewed, and does not change reviewed entries', () => {
  const updated: NodeTable = {
    Old: { modules: ['nodes'], inputs: { file: 'file:image' } },
  };
  const input = { required: { file: [['a.png'], {}], size: ['INT', {}], name: ['STRING', {}] } };
  addCatalogue(updated, { Old: { python_module: 'nodes', input }, New: { python_module: 'comfy_extras.new', input } });
  const fresh = { size: 'value', name: 'unreviewed' };
  expect(updated).toEqual({
    Old: { modules: ['nodes'], inputs: { file: 'file:image', ...fresh } },
    New: { modules: ['comfy_extras.new'], refused: 'unreviewed', inputs: { file: 'unreviewed', ...fresh } },
  });
  expect(unreviewedClasses(updated)).toEqual(['Old', 'New']);
});
