import { readFileSync } from 'node:fs';
import {
  JOB_PHASES,
  JOB_STATUSES,
  PHASE_TRANSITIONS,
  STATUS_TRANSITIONS,
  TERMINAL_STATUSES,
} from '@comfy-fleet/contracts';
import { luaKeys, withLuaKeys } from './key-table.js';
import { KEY_TABLE } from './keys.js';
import { LUA_CONSTANTS } from './lua/constants.js';

/** Name of a script, as `runScript` takes it → its file. */
export const SCRIPT_FILES = {
  create: 'create',
  near: 'scheduling/near',
  demand: 'scheduling/demand',
  take: 'scheduling/take',
  passOver: 'scheduling/pass-over',
  alike: 'scheduling/alike',
  claim: 'claim',
  restore: 'queue/restore',
  submit: 'submit',
  report: 'report',
  lose: 'lose',
  release: 'release',
  finish: 'finish',
  chargeAhead: 'charge-ahead',
  reuse: 'reuse',
  killAhead: 'kill-ahead',
  cancel: 'cancel',
  expire: 'expire',
  outlive: 'outlive',
  prune: 'prune',
  forget: 'forget',
  read: 'read',
  resume: 'resume',
  storage: 'storage',
  commit: 'commit',
  assets: 'assets',
} as const;

export type ScriptName = keyof typeof SCRIPT_FILES;

const INCLUDE = /^--- @include "([\w/-]+)"$/gm;

let loaded: Readonly<Record<ScriptName, string>> | undefined;

/** All scripts, each with its includes. The files are read on the first call. */
export function loadScripts(): Readonly<Record<ScriptName, string>> {
  loaded ??= readScripts();
  return loaded;
}

function readScripts(): Readonly<Record<ScriptName, string>> {
  const texts = new Map([
    ['keys', luaKeys(KEY_TABLE)],
    ['constants', luaConstants()],
    ['states', luaStates()],
  ]);
  const textOf = (name: string): string => {
    const read = () => readFileSync(new URL(`lua/${name}.lua`, import.meta.url), 'utf8');
    const text = texts.get(name) ?? withLuaKeys(KEY_TABLE, read());
    texts.set(name, text);
    return text;
  };
  const scripts = Object.entries(SCRIPT_FILES).map(([name, file]) => [name, reached(withIncludes(file, textOf))]);
  return Object.fromEntries(scripts) as Record<ScriptName, string>;
}

function luaConstants(): string {
  return Object.entries(LUA_CONSTANTS)
    .map(([name, value]) => `local ${name} = ${value}`)
    .join('\n');
}

/**
 * Replaces the include lines of a script. A file that is included several times is inserted once, at the first place.
 * The texts of `keys`, `constants` and `states` are generated from tables in TypeScript.
 */
function withIncludes(file: string, textOf: (name: string) => string, included = new Set<string>()): string {
  return textOf(file).replace(INCLUDE, (_line, inner: string) => {
    if (included.has(inner)) return '';
    included.add(inner);
    return withIncludes(inner, textOf, included);
  });
}

const COMMENT = /^--\[\[[\s\S]*?^\]\]\n|^ *--.*\n/gm;
/** Between two statements that are not indented. */
const NEXT_STATEMENT = /\n+(?=\S)(?!end\b|else)/;

/**
 * Drops comments, and the functions and constants that the script does not reach: Redis would make all of them anew with
 * each call.
 */
function reached(script: string): string {
  const statements = script.replace(COMMENT, '').split(NEXT_STATEMENT);
  const words = new Set<string>();
  const kept = statements.reverse().filter((statement) => {
    const [, names = ''] = /^local (?:function )?(\w+(?:, \w+)*)/.exec(statement) ?? [];
    if (names !== '' && !names.split(', ').some((name) => words.has(name))) return false;
    for (const [word] of statement.matchAll(/\w+/g)) words.add(word);
    return true;
  });
  return kept.reverse().join('\n');
}

const TRANSITIONS = [...STATUS_TRANSITIONS, ...PHASE_TRANSITIONS];

/**
 * Lua that defines the statuses and phases as constants (`QUEUED`, `WAITING`, …), and the transitions between them. The
 * transitions are one string because Redis would build a Lua table again with each call.
 */
export function luaStates(): string {
  const callbacks = new Set(STATUS_TRANSITIONS.flatMap(({ to, callback }) => (callback ? [to] : [])));
  return [
    ...[...JOB_STATUSES, ...JOB_PHASES].map((word) => `local ${word.toUpperCase()} = '${word}'`),
    `local TRANSITIONS = ' ${TRANSITIONS.map(({ from, to }) => `${from}>${to} `).join('')}'`,
    "local function may(from, to) return string.find(TRANSITIONS, ' ' .. from .. '>' .. to .. ' ', 1, true) ~= nil end",
    `local function is_terminal(status) return ${isAny(TERMINAL_STATUSES)} end`,
    `local function is_callback_due(status) return ${isAny([...callbacks])} end`,
  ].join('\n');
}

function isAny(words: readonly string[]): string {
  return words.map((word) => `status == '${word}'`).join(' or ');
}
