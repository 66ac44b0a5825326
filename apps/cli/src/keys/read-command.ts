import { parseArgs } from 'node:util';
import { suggest } from '@comfy-fleet/workflows';
import { KEY_OPTIONS, SECRET_OPTION } from './key-options.js';
import { misuse } from './keys-problem.js';

export type KeysCommand =
  | { readonly name: 'help' }
  | { readonly name: 'list'; readonly file: string | undefined }
  | { readonly name: 'revoke'; readonly id: string; readonly file: string | undefined }
  | {
      readonly name: 'create';
      readonly id: string;
      readonly file: string | undefined;
      /** As they are written, by the names of KEY_OPTIONS. */
      readonly settings: ReadonlyMap<string, string>;
      readonly newSecret: boolean;
    };

const FILE = 'file';
const HELP = 'help';
const VALUED = [FILE, ...KEY_OPTIONS.map(({ option }) => option), SECRET_OPTION];
const COMMANDS = ['create', 'list', 'revoke'];

/** Understands the command line. Throws a KeysProblem that names what it does not understand. */
export function readCommand(args: readonly string[]): KeysCommand {
  const { given, words } = readWords(args);
  const [name, id, ...rest] = words;
  if (given.has(HELP) || name === HELP) return { name: 'help' };
  if (name === undefined) throw misuse('Say what to do: create, list or revoke.');
  if (!COMMANDS.includes(name)) throw misuse(`There is no command ${name}: say create, list or revoke.`);

  const file = given.get(FILE);
  const settings = new Map([...given].filter(([option]) => option !== FILE && option !== SECRET_OPTION));
  if (name !== 'create') refuseOptions(name, [...given.keys()]);
  if (name === 'list') {
    if (id !== undefined) throw misuse(`list takes no ${id}.`);
    return { name, file };
  }
  if (id === undefined) throw misuse(`Say the id of the key: ${name} <id>.`);
  if (rest.length > 0) throw misuse(`${name} takes one id, not also ${rest.join(' ')}.`);
  if (name === 'revoke') return { name, id, file };
  const secret = given.get(SECRET_OPTION);
  if (secret !== undefined && secret !== 'new') {
    throw misuse(`--${SECRET_OPTION} takes only the word new: secrets are made here and shown, never given.`);
  }
  return { name: 'create', id, file, settings, newSecret: secret !== undefined };
}

/** Not strict: then parseArgs leaves it to us to say what is wrong, and takes -1 for the value that it is. */
function readWords(args: readonly string[]): { given: Map<string, string>; words: string[] } {
  const { tokens, positionals } = parseArgs({
    args: [...args],
    options: {
      ...Object.fromEntries(VALUED.map((name) => [name, { type: 'string' as const }])),
      [HELP]: { type: 'boolean', short: 'h' },
    },
    allowPositionals: true,
    strict: false,
    tokens: true,
  });
  const given = new Map<string, string>();
  for (const token of tokens) {
    if (token.kind !== 'option') continue;
    const { name, rawName, value } = token;
    if (name !== HELP && !VALUED.includes(name)) {
      throw misuse(`There is no option ${rawName}${suggest(name, VALUED)}`);
    }
    if (given.has(name)) throw misuse(`${rawName} is said twice.`);
    if (name !== HELP && (value === undefined || value === '' || (!token.inlineValue && /^-\D/.test(value)))) {
      throw misuse(`${rawName} needs a value.`);
    }
    given.set(name, value ?? '');
  }
  return { given, words: positionals };
}

function refuseOptions(name: string, given: readonly string[]): void {
  const others = given.filter((option) => option !== FILE);
  if (others.length > 0) throw misuse(`${name} has no option but --${FILE}, not --${others.join(', --')}.`);
}
