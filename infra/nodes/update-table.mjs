// `npm run nodes:table -- <object_info.json, .json.gz, or the URL of a ComfyUI> …`: adds new node classes and inputs to the
// table in packages/workflows. They are marked as "unreviewed", and API keys may not use them, until someone reads the source
// of the class and replaces the mark.
import { readFileSync, writeFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { addCatalogue, tableText, unreviewedClasses } from './node-table.mjs';

const TABLE = new URL('../../packages/workflows/src/nodes/node-table.json', import.meta.url);
const DEADLINE_MS = 60_000;

const sources = process.argv.slice(2);
if (sources.length === 0) {
  console.error('usage: npm run nodes:table -- <object_info.json | object_info.json.gz | http://comfyui:8188> …');
  process.exit(1);
}
const table = JSON.parse(readFileSync(TABLE, 'utf8'));
for (const source of sources) addCatalogue(table, await readCatalogue(source));
writeFileSync(TABLE, tableText(table));
const left = unreviewedClasses(table);
console.log(`${Object.keys(table).length} classes, ${left.length} of them to be reviewed`);
for (const className of left) console.log(`  ${className}`);

/**
 * @param {string} source
 * @returns {Promise<any>}
 */
async function readCatalogue(source) {
  if (/^https?:/.test(source)) {
    const answer = await fetch(new URL('/object_info', source), { signal: AbortSignal.timeout(DEADLINE_MS) });
    if (!answer.ok) throw new Error(`${source} answered ${answer.status}`);
    return answer.json();
  }
  const bytes = readFileSync(source);
  return JSON.parse((source.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString());
}
