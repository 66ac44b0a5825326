import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { JOB_PHASES, JOB_STATUSES } from '@comfy-fleet/contracts';
import { parse } from 'luaparse';
import { expect, it } from 'vitest';
import { loadScripts } from '../src/scripts.js';

/** Globals that Redis gives to scripts. */
const GIVEN = new Set(
  'redis KEYS ARGV cjson string table math ipairs pairs tonumber tostring type unpack pcall error'.split(' '),
);
const SCRIPTS = Object.entries(loadScripts()).map(([name, script]) => [name, codeOf(script)] as const);
const FOLDER = fileURLToPath(new URL('../src/lua/', import.meta.url));
const FILES = readdirSync(FOLDER, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.lua'))
  .map((file) => [file, codeOf(readFileSync(FOLDER + file, 'utf8'))] as const);

function codeOf(text: string): string {
  return text.replace(/--\[\[[\s\S]*?\]\]/g, '').replace(/--.*$/gm, '');
}

/** The names that a line declares. */
function declaredIn(line: string): string[] {
  const [, list = ''] = /^\s*(?:local function|local|for) ([\w, ]+?)(?: in |\s*[=(]|$)/.exec(line) ?? [];
  return list.split(/, */).filter((name) => name !== '' && name !== '_');
}

function isUsed(name: string, code: string): boolean {
  return [...code.matchAll(new RegExp(`\\b${name}\\b`, 'g'))].length > 1;
}

it.each(SCRIPTS)('the script %s can be parsed, and defines each name that it uses', (_name, script) => {
  const { globals } = parse(script, { luaVersion: '5.1', scope: true }) as unknown as { globals: { name: string }[] };
  expect(globals.map(({ name }) => name).filter((name) => !GIVEN.has(name))).toEqual([]);
});

it.each(FILES)('%s declares no unused local variable', (_file, code) => {
  // A declaration at the beginning of a line belongs to whole scripts, an indented one to its function or loop.
  const blocks = code.split(/\n(?=\S)(?!end\b|else)/);
  const unused = blocks.flatMap((block) => {
    const [first = '', ...inner] = block.split('\n');
    return [
      ...declaredIn(first).filter((name) => !SCRIPTS.some(([, script]) => isUsed(name, script))),
      ...inner.flatMap(declaredIn).filter((name) => !isUsed(name, block)),
    ];
  });
  expect(unused).toEqual([]);
});

// queue/ has BullMQ's names for its own states.
it.each(FILES.filter(([file]) => !file.startsWith('queue/')))(
  '%s spells out no state, but uses the constants from the table in contracts',
  (_file, code) => {
    expect(code).not.toMatch(new RegExp(`['"](${[...JOB_STATUSES, ...JOB_PHASES].join('|')})['"]`));
  },
);
