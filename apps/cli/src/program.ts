import { Command } from 'commander';
import { act, type Context } from './callers/act.js';
import { addCancel } from './callers/commands/cancel.js';
import { addDownload } from './callers/commands/download.js';
import { addFleet } from './callers/commands/fleet.js';
import { addGenerate } from './callers/commands/generate.js';
import { addGet } from './callers/commands/get.js';
import { addImg2img } from './callers/commands/img2img.js';
import { addJobs } from './callers/commands/jobs.js';
import { addRefine } from './callers/commands/refine.js';
import { addRun } from './callers/commands/run.js';
import { addTop } from './callers/commands/top.js';
import { addWatch } from './callers/commands/watch.js';
import type { Command as OwnParser } from './command.js';
import { addCompletion } from './completion.js';

const CALLERS = [addGenerate, addImg2img, addRun, addWatch, addJobs, addGet, addCancel, addRefine, addDownload];

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
  addFleet(program, context);
  addTop(program, context);
  const operators: readonly (readonly [name: string, summary: string, load: () => Promise<OwnParser>])[] = [
    [
      'doctor',
      'checks Redis, ComfyUI, storage, keys and settings, and says how to fix what is wrong',
      async () => (await import('./doctor/doctor.js')).doctor,
    ],
    [
      'instances',
      'says what each ComfyUI is, which workflows it can run, and what to set where it cannot',
      async () => (await import('./instances/instances.js')).instances,
    ],
    [
      'keys',
      'makes, shows and takes away the keys with which callers use the API',
      async () => (await import('./keys/run-keys.js')).keys,
    ],
    [
      'workflows',
      'says which inputs and outputs a workflow has, what it needs, and what ComfyUI would refuse of it',
      async () => (await import('./workflows/workflows.js')).workflows,
    ],
  ];
  for (const [name, summary, load] of operators) {
    const command = program.command(name).description(summary).argument('[words...]').helpOption(false);
    command.allowUnknownOption();
    act(command, context, async (surroundings, words: string[]) => (await load()).run(words, surroundings));
  }
  program.commandsGroup('For the shell:');
  addCompletion(program);
  return program;
}
