import type { Command, Option } from 'commander';
import type { Source, Value } from './sources.js';

/** How a shell may complete the last word. */
export interface Completion {
  readonly values: readonly Value[];
  /** File names are allowed too. */
  readonly files: boolean;
  /** The word is not complete yet, so the shell adds no space. */
  readonly open: boolean;
  /** The shell must keep the order. */
  readonly ordered: boolean;
}

/** Where a value is expected: an option or an argument. */
interface Place {
  /** Its name in the help: `job` for `<job>`. */
  readonly kind: string;
  readonly choices: readonly string[] | undefined;
}

/** Names in the help that accept a file name. */
const FILES: ReadonlySet<string> = new Set(['file', 'path', 'image']);

/**
 * Completes the last word of a command line, which excludes the program's name: with options, commands, and values, which
 * `sources` provides by name in the help.
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
  if (option === undefined && last.startsWith('-')) return matching(last, optionsOf(command, last));
  const place = option === undefined ? argumentAt(command, operands.length) : placeOf(option);
  const commands = option === undefined && operands.length === 0 ? commandsOf(command) : [];
  if (place === undefined) return matching(typed, commands);
  const source = place.choices === undefined ? sources[place.kind] : undefined;
  const values = place.choices?.map((value) => ({ value })) ?? (await source?.({ command, operands, options })) ?? [];
  return { ...matching(typed, [...commands, ...values]), files: FILES.has(place.kind), ordered: source !== undefined };
}

function matching(typed: string, values: readonly Value[]): Completion {
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
  /** Words that are not options. */
  readonly operands: readonly string[];
  /** Option values by attribute name. */
  readonly options: Readonly<Record<string, string>>;
  /** The option whose value the next word is. */
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
