import { Argument, type Command } from 'commander';
import { examples } from '../callers/options.js';
import type { Context } from '../command.js';
import { type Completion, complete } from './complete.js';
import { BASH_SCRIPT, libraryScript } from './scripts.js';
import { createSources } from './sources.js';

const SHELLS = ['bash', 'zsh', 'fish'] as const;
/** Short, since the user is waiting after pressing Tab. */
const TIMEOUT_MS = 1_500;
/** Bits that the shell scripts understand. */
const DIRECTIVE = { noSpace: 2, noFiles: 4, keepOrder: 32 } as const;

const EXAMPLES = examples(
  ['source <(comfy-fleet completion bash)', 'for this shell; add it to ~/.bashrc for all'],
  ['source <(comfy-fleet completion zsh)', 'for this shell; add it to ~/.zshrc for all'],
  ['comfy-fleet completion fish > ~/.config/fish/completions/comfy-fleet.fish', 'for all fish shells'],
);

/** Adds `completion <shell>`, which prints a shell's script, and the hidden command that the script calls. */
export function addCompletion(program: Command, { io }: Context): void {
  program
    .command('completion')
    .description('prints a script that lets a shell complete commands, options and values')
    .addArgument(new Argument('<shell>').choices([...SHELLS]))
    .addHelpText('after', EXAMPLES)
    .action((shell: (typeof SHELLS)[number]) => {
      io.result(shell === 'bash' ? BASH_SCRIPT : libraryScript(shell, program.name()));
    });
  program
    .command('complete', { hidden: true })
    .argument('[words...]')
    .helpOption(false)
    .action(async (words: string[]) => {
      io.result(formatCompletion(await complete(program, words, createSources(io, TIMEOUT_MS))));
    });
}

function formatCompletion({ values, files, open, ordered }: Completion): string {
  const lines = values.map(({ value, description = '' }) => `${value}\t${description}`);
  const directive =
    (open ? DIRECTIVE.noSpace : 0) | (files ? 0 : DIRECTIVE.noFiles) | (ordered ? DIRECTIVE.keepOrder : 0);
  return [...lines, `:${directive}`].join('\n');
}
