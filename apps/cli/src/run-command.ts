import { Command, CommanderError } from 'commander';
import { addLogin, addOpen, addUsage } from './callers/account-commands.js';
import { addCancel, addDelete, addDownload, addGet, addJobs, addWatch } from './callers/job-commands.js';
import { addGenerate, addImg2img, addRefine, addRetry, addRun } from './callers/make-commands.js';
import type { CommandIo, Context } from './command.js';
import { addCompletion } from './completion/completion-commands.js';
import { EXIT, explain } from './exit-codes.js';
import { addKeys } from './keys/keys-command.js';
import { addModels } from './models/models-command.js';
import { addDoctor, addFleet, addInstances, addStart, addTop } from './operator-commands.js';
import { addDrain, addPause, addResume } from './pause-commands.js';
import { escaped, plainLines } from './text.js';
import { addWorkflows } from './workflows/workflows-command.js';

/** Runs the command that the arguments name. Resolves to its exit code: see EXIT. */
export async function runCommand(args: readonly string[], given: CommandIo): Promise<number> {
  const { terminal, result } = given;
  const io = terminal === undefined ? given : { ...given, result: (text: string) => result(escaped(text)) };
  let code: number = EXIT.done;
  const exit = (given: number) => {
    code = given;
  };
  try {
    if (args[0] === '--version') {
      io.result((await import('@comfy-fleet/telemetry')).version()); // only now: it takes a moment to load
      return code;
    }
    await createProgram({ io, exit }).parseAsync(args.length === 0 ? ['--help'] : args, { from: 'user' });
    return code;
  } catch (error) {
    // commander has already printed the error, or the help that was requested
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.done : EXIT.misused;
    const failure = explain(error);
    io.info(plainLines(failure.text));
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
  addDelete,
  addUsage,
  addOpen,
  addLogin,
];
const OPERATORS = [
  addStart,
  addFleet,
  addTop,
  addPause,
  addResume,
  addDrain,
  addDoctor,
  addInstances,
  addKeys,
  addWorkflows,
  addModels,
];

/** All commands. Modules that are slow to load are imported only when their command runs. */
function createProgram(context: Context): Command {
  const { result, info } = context.io;
  const program = new Command('comfy-fleet')
    .description('Makes pictures with a fleet of ComfyUIs, and operates the fleet.')
    .exitOverride()
    .configureOutput({ writeOut: (text) => result(text.trimEnd()), writeErr: (text) => info(text.trimEnd()) })
    .showHelpAfterError('(see --help)')
    .option('--version', 'prints the version')
    .helpCommand('help [command]', 'shows the options of a command, and examples')
    .commandsGroup('For callers of the API:');
  for (const add of CALLERS) add(program, context);
  program.commandsGroup('For operators of the fleet:');
  for (const add of OPERATORS) add(program, context);
  program.commandsGroup('For the shell:');
  addCompletion(program, context);
  return program;
}
