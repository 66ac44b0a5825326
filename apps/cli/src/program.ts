import { Command } from 'commander';
import type { Context } from './callers/act.js';
import { addCancel } from './callers/commands/cancel.js';
import { addDownload } from './callers/commands/download.js';
import { addFleet } from './callers/commands/fleet.js';
import { addGenerate } from './callers/commands/generate.js';
import { addGet } from './callers/commands/get.js';
import { addImg2img } from './callers/commands/img2img.js';
import { addJobs } from './callers/commands/jobs.js';
import { addRefine } from './callers/commands/refine.js';
import { addRetry } from './callers/commands/retry.js';
import { addRun } from './callers/commands/run.js';
import { addTop } from './callers/commands/top.js';
import { addWatch } from './callers/commands/watch.js';
import { addCompletion } from './completion/completion-commands.js';
import { addDoctor } from './doctor/doctor-command.js';
import { addInstances } from './instances/instances-command.js';
import { addKeys } from './keys/keys-command.js';
import { addWorkflows } from './workflows/workflows-command.js';

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
export function createProgram(context: Context): Command {
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
