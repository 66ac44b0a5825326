import { Command, CommanderError } from 'commander';
import { addCancel, addDownload, addGet, addJobs, addWatch } from './callers/job-commands.js';
import { addGenerate, addImg2img, addRefine, addRetry, addRun } from './callers/make-commands.js';
import type { Context, Surroundings } from './command.js';
import { addCompletion } from './completion/completion-commands.js';
import { EXIT, explain } from './exit-codes.js';
import { addKeys } from './keys/keys-command.js';
import { addDoctor, addFleet, addInstances, addTop } from './operator-commands.js';
import { escaped, plainLines } from './text.js';
import { addWorkflows } from './workflows/workflows-command.js';

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

const CALLERS = [
  addGenerate,
  addImg2img,
  addRun,
  addWatch,
  addJobs,
  addGet,
  addCancel,
  addRefine,
  addRetry,
  addDownload,
];
const OPERATORS = [addFleet, addTop, addDoctor, addInstances, addKeys, addWorkflows];

/** All commands. Those that take long to load are loaded when they run. */
function createProgram(context: Context): Command {
  const { result, say } = context.surroundings;
  const program = new Command('comfy-fleet')
    .description('Makes pictures with a fleet of ComfyUIs, and looks after the fleet.')
    .exitOverride()
    .configureOutput({ writeOut: (text) => result(text.trimEnd()), writeErr: (text) => say(text.trimEnd()) })
    .showHelpAfterError('(--help says more)')
    .helpCommand(false)
    .commandsGroup('For callers of the API:');
  for (const add of CALLERS) add(program, context);
  program.commandsGroup('For operators of the fleet:');
  for (const add of OPERATORS) add(program, context);
  program.commandsGroup('For the shell:');
  addCompletion(program, context);
  return program;
}
