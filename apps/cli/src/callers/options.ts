import { type Command, InvalidArgumentError, Option } from 'commander';
import type { AccessOptions } from './connect.js';
import { GRAPHICS, type Graphics } from './terminal-pictures.js';

export interface JsonOptions extends AccessOptions {
  readonly json?: boolean;
}

export interface MakeOptions extends JsonOptions {
  readonly output?: string;
  readonly picture?: Graphics | false;
  readonly detach?: boolean;
  readonly cancelOnExit?: boolean;
  readonly idempotencyKey?: string;
}

export interface SheetMakeOptions extends MakeOptions {
  readonly from?: string;
  readonly parallel: number;
}

/** Adds the options that name the API and its key. */
export function addAccessOptions(command: Command): Command {
  return command
    .option('--url <url>', 'the API (COMFY_FLEET_URL; http://127.0.0.1:3000 by default)')
    .option('--key <key>', 'an API key (COMFY_FLEET_KEY)')
    .option('--profile <profile>', 'the API and key of a profile (COMFY_FLEET_PROFILE)');
}

export function addJsonOption(command: Command): Command {
  return command.option('--json', 'writes JSON, as it does when stdout is not a terminal');
}

/** Adds the options of commands that follow a job to its end. */
export function addFollowOptions(command: Command): Command {
  return addAccessOptions(
    addJsonOption(
      command
        .option(
          '-o, --output <path>',
          'saves the files; the name may contain {id}, {index}, {seed}, {line}, or be a folder/',
        )
        .addOption(
          new Option('--picture <how>', 'the protocol to draw pictures with; detected by default').choices([
            ...GRAPHICS,
          ]),
        )
        .option('--no-picture', 'draws no pictures in the terminal')
        .option('--cancel-on-exit', 'cancels open jobs at Ctrl-C; by default they continue'),
    ),
  );
}

/** Adds the options of commands that make a job. */
export function addMakeOptions(command: Command): Command {
  return addFollowOptions(command)
    .addOption(new Option('--detach', 'prints the job and exits at once').conflicts(['output', 'cancelOnExit']))
    .option(
      '--idempotency-key <key>',
      'sending the same key again makes no second job; by default each run has a new key',
    );
}

/** Adds the options of commands that make many jobs from a file. */
export function addSheetOptions(command: Command): Command {
  return command
    .addOption(
      new Option(
        '--from <file>',
        'makes many jobs: one for each row of a .csv file or line of a .jsonl file',
      ).conflicts(['detach', 'idempotencyKey']),
    )
    .addOption(
      new Option('--parallel <n>', 'with --from: how many jobs are open at a time')
        .argParser(wholeNumber(1))
        .default(16),
    );
}

/** Parses an option or argument that is a whole number of at least `least`. */
export function wholeNumber(least: number): (given: string) => number {
  return (given) => {
    const value = Number(given);
    if (!/^\d+$/.test(given) || value < least)
      throw new InvalidArgumentError(`It must be a whole number of at least ${least}.`);
    return value;
  };
}

/** The examples at the end of a command's help. */
export function examples(...lines: readonly (readonly [line: string, says: string])[]): string {
  return `\nExamples:\n${lines.map(([line, says]) => `  # ${says}\n  ${line}`).join('\n')}`;
}
