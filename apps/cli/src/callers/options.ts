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

/** Where the API is. */
export function addAccessOptions(command: Command): Command {
  return command
    .option('--url <url>', 'the API (COMFY_FLEET_URL; http://127.0.0.1:3000 by default)')
    .option('--key <key>', 'an API key (COMFY_FLEET_KEY)')
    .option('--profile <profile>', 'the API and key of a profile (COMFY_FLEET_PROFILE)');
}

export function addJsonOption(command: Command): Command {
  return command.option('--json', 'writes JSON, as it does when no terminal reads it');
}

/** Of commands that follow a job to its end. */
export function addFollowOptions(command: Command): Command {
  return addAccessOptions(
    addJsonOption(
      command
        .option('-o, --output <path>', 'writes the files: {id}, {index}, {seed}, {line} in the name, or a folder/')
        .addOption(
          new Option('--picture <how>', 'draws pictures in this way; otherwise as the terminal is known to').choices([
            ...GRAPHICS,
          ]),
        )
        .option('--no-picture', 'draws no picture in the terminal')
        .option('--cancel-on-exit', 'cancels what has not ended at Ctrl-C; otherwise it goes on'),
    ),
  );
}

/** Of commands that make a job. */
export function addMakeOptions(command: Command): Command {
  return addFollowOptions(command)
    .addOption(new Option('--detach', 'writes the job and ends at once').conflicts(['output', 'cancelOnExit']))
    .option('--idempotency-key <key>', 'the same key again makes no second job; a new one for each run by default');
}

/** Of commands that make many jobs from a file. */
export function addSheetOptions(command: Command): Command {
  return command
    .addOption(
      new Option('--from <file>', 'many jobs: a row of a .csv, or a line of a .jsonl file, for each').conflicts([
        'detach',
        'idempotencyKey',
      ]),
    )
    .addOption(
      new Option('--parallel <n>', 'with --from: jobs that are open at a time').argParser(wholeNumber(1)).default(16),
    );
}

/** For an option or argument: a whole number from `least` up. */
export function wholeNumber(least: number): (given: string) => number {
  return (given) => {
    const value = Number(given);
    if (!/^\d+$/.test(given) || value < least) throw new InvalidArgumentError(`It is a whole number from ${least} up.`);
    return value;
  };
}

/** Text for the end of a command's help. */
export function examples(...lines: readonly (readonly [line: string, says: string])[]): string {
  return `\nExamples:\n${lines.map(([line, says]) => `  # ${says}\n  ${line}`).join('\n')}`;
}
