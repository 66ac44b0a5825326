import { readFileSync } from 'node:fs';
import { luaKeyBuilders, withLuaKeyCalls } from './key-table.js';
import { KEY_TABLE } from './keys.js';
import { LUA_CONSTANTS } from './lua/constants.js';

/** A script's name, under which `runScript` knows it → its file. */
export const SCRIPT_FILES = {
  create: 'create',
  next: 'next',
  claim: 'claim',
  enlist: 'enlist',
  submit: 'submit',
  start: 'start',
  progress: 'progress',
  preview: 'preview',
  enterPhase: 'enter-phase',
  look: 'look',
  lose: 'lose',
  release: 'release',
  finish: 'finish',
  hide: 'hide',
  cancel: 'cancel',
  expire: 'expire',
  prolong: 'prolong',
  noteTry: 'note-try',
  notified: 'notified',
  forget: 'forget',
  read: 'read',
  charge: 'charge',
  recall: 'recall',
  reclaim: 'queue/reclaim',
  standing: 'standing',
  backlogOf: 'backlog-of',
  inputs: 'inputs',
  publish: 'workflows/publish',
  withdraw: 'workflows/withdraw',
  assets: 'assets',
  assetNames: 'asset-names',
} as const;

export type ScriptName = keyof typeof SCRIPT_FILES;

const INCLUDE = /^--- @include "([\w/-]+)"$/gm;

/** What is made of tables in TypeScript, for the script that includes it. */
const MADE: Readonly<Record<string, (script: string) => string>> = {
  keys: (script) => luaKeyBuilders(KEY_TABLE, script),
  constants: () =>
    Object.entries(LUA_CONSTANTS)
      .map(([name, value]) => `local ${name} = ${value}`)
      .join('\n'),
};

let loaded: Readonly<Record<ScriptName, string>> | undefined;

/** All scripts, each with what it includes; the files are read the first time. */
export function loadScripts(): Readonly<Record<ScriptName, string>> {
  loaded ??= readScripts();
  return loaded;
}

function readScripts(): Readonly<Record<ScriptName, string>> {
  const texts = new Map<string, string>();
  const textOf = (name: string): string => {
    const text = texts.get(name) ?? readFileSync(new URL(`lua/${name}.lua`, import.meta.url), 'utf8');
    texts.set(name, text);
    return text;
  };
  const scripts = Object.entries(SCRIPT_FILES).map(([name, file]) => [name, withIncludes(file, textOf)]);
  return Object.fromEntries(scripts) as Record<ScriptName, string>;
}

/** A file may be included by several others of one script: it stands where the first of them needs it. */
function withIncludes(file: string, textOf: (name: string) => string): string {
  const included = new Set<string>();
  const expanded = (name: string): string =>
    textOf(name).replace(INCLUDE, (line, inner: string) => {
      if (included.has(inner)) return '';
      included.add(inner);
      return inner in MADE ? line : expanded(inner);
    });
  const script = withLuaKeyCalls(KEY_TABLE, expanded(file));
  return script.replace(INCLUDE, (_line, name: string) => MADE[name]?.(script) ?? '');
}
