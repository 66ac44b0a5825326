import type { Command, Option } from 'commander';
import type { Source, Value } from './sources.js';

/** What a shell may put in the place of the last word. */
export interface Completion {
  readonly values: readonly Value[];
  /** The names of files may stand there too. */
  readonly files: boolean;
  /** There is more to come of the word. */
  readonly open: boolean;
  /** They are in an order of their own. */
  readonly ordered: boolean;
}

/** The place where a value is to stand: that of an option, or of a word of the command. */
interface Place {
  /** As it is called in the help: `job` of `<job>`. */
  readonly kind: string;
  readonly choices: readonly string[] | undefined;
}

/** Words of the help for which the name of a file may stand. */
const FILES: ReadonlySet<string> = new Set(['file', 'path', 'image']);

/**
 * How the last of the words of a command line (without the program) can go on: options, commands, and the values that
 * `sources` has for a place by its name in the help.
 */
export async function complete(
  program: Command,
  words: readonly string[],
  sources: Readonly<Record<string, Source>>,
): Promise<Completion> {
  const last = words.at(-1) ?? '';
  const { command, rest } = commandOf(program, words.slice(0, -1));
  const { operands, options, pending } = readWords(command, rest);
  const inline = /^(--[^=]+)=(.*)$/.exec(last);
  const option = inline === null ? pending : findOption(command, inline[1] ?? '');
  const typed = inline?.[2] ?? last;
  if (option === undefined && last.startsWith('-')) return starting(last, optionsOf(command, last));
  const place = option === undefined ? argumentAt(command, operands.length) : placeOf(option);
  const commands = option === undefined && operands.length === 0 ? commandsOf(command) : [];
  if (place === undefined) return starting(typed, commands);
  const source = place.choices === undefined ? sources[place.kind] : undefined;
  const values = place.choices?.map((value) => ({ value })) ?? (await source?.({ command, operands, options })) ?? [];
  return { ...starting(typed, [...commands, ...values]), files: FILES.has(place.kind), ordered: source !== undefined };
}

function starting(typed: string, values: readonly Value[]): Completion {
  const fitting = values.filter(({ value }) => value.startsWith(typed));
  return { values: fitting, files: false, open: fitting.some(({ value }) => /[=@]$/.test(value)), ordered: false };
}

function commandOf(program: Command, words: readonly string[]): { command: Command; rest: readonly string[] } {
  let command = program;
  let depth = 0;
  for (const word of words) {
    const next = command.commands.find((one) => one.name() === word);
    if (next === undefined) break;
    command = next;
    depth += 1;
  }
  return { command, rest: words.slice(depth) };
}

interface Words {
  /** Those that are no options. */
  readonly operands: readonly string[];
  /** The values of options, by their names in code. */
  readonly options: Readonly<Record<string, string>>;
  /** The option whose value comes next. */
  readonly pending: Option | undefined;
}

function readWords(command: Command, words: readonly string[]): Words {
  const operands: string[] = [];
  const options: Record<string, string> = {};
  let pending: Option | undefined;
  for (const word of words) {
    if (pending !== undefined) {
      options[pending.attributeName()] = word;
      pending = undefined;
    } else if (word.startsWith('-')) {
      const [, name = word, value] = /^(--[^=]+)=(.*)$/.exec(word) ?? [];
      const option = findOption(command, name);
      if (option === undefined || !(option.required || option.optional)) continue;
      if (value === undefined) pending = option;
      else options[option.attributeName()] = value;
    } else operands.push(word);
  }
  return { operands, options, pending };
}

function findOption(command: Command, word: string): Option | undefined {
  return command.options.find((option) => option.long === word || option.short === word);
}

function optionsOf(command: Command, last: string): Value[] {
  const options = command.createHelp().visibleOptions(command);
  return options.flatMap(({ long, short, description }) => {
    const name = last === '-' ? (short ?? long) : long;
    return name == null ? [] : [{ value: name, description }];
  });
}

function commandsOf(command: Command): Value[] {
  const commands = command.createHelp().visibleCommands(command);
  return commands.map((one) => ({ value: one.name(), description: one.description() }));
}

function argumentAt(command: Command, at: number): Place | undefined {
  const known = command.registeredArguments;
  const last = known.at(-1);
  const argument = known[at] ?? (last?.variadic ? last : undefined);
  return argument && { kind: argument.name(), choices: argument.argChoices };
}

function placeOf({ flags, argChoices }: Option): Place | undefined {
  const kind = /[<[]([^\]>]+)[\]>]/.exec(flags)?.[1];
  return kind === undefined ? undefined : { kind, choices: argChoices };
}
