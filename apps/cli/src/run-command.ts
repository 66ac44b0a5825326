import { CommanderError } from 'commander';
import type { Surroundings } from './command.js';
import { EXIT, explain } from './exit-codes.js';
import { escaped, plainLines } from './plain.js';
import { createProgram } from './program.js';

/** Runs the command that the arguments name. Answers its exit code: see EXIT. */
export async function runCommand(args: readonly string[], given: Surroundings): Promise<number> {
  const { terminal, result } = given;
  const surroundings = terminal === undefined ? given : { ...given, result: (text: string) => result(escaped(text)) };
  let code: number = EXIT.done;
  const exit = (given: number) => {
    code = given;
  };
  try {
    await createProgram({ surroundings, exit }).parseAsync(args.length === 0 ? ['--help'] : args, { from: 'user' });
    return code;
  } catch (error) {
    // it has said already what is wrong, or the help that was asked for
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.done : EXIT.misused;
    const failure = explain(error);
    surroundings.say(plainLines(failure.text));
    return failure.code;
  }
}
