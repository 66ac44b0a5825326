import { Argument, type Command } from 'commander';
import { examples } from '../callers/options.js';
import type { Context } from '../command.js';
import { type Completion, complete } from './complete.js';
import { BASH_SCRIPT, libraryScript } from './scripts.js';
import { createSources } from './sources.js';

const SHELLS = ['bash', 'zsh', 'fish'] as const;
/** Whoever pressed Tab waits. */
const TIMEOUT_MS = 1_500;
/** As the scripts have them. */
const DIRECTIVE = { noSpace: 2, noFiles: 4, keepOrder: 32 } as const;

const EXAMPLES = examples(
  ['source <(comfy-fleet completion bash)', 'for this bash; in ~/.bashrc for all'],
  ['source <(comfy-fleet completion zsh)', 'for this zsh; in ~/.zshrc for all'],
  ['comfy-fleet completion fish > ~/.config/fish/completions/comfy-fleet.fish', 'for every fish'],
);

/** Adds `completion <shell>`, which writes the script of a shell, and the hidden command that this script asks. */
export function addCompletion(program: Command, { surroundings }: Context): void {
  program
    .command('completion')
    .description('writes the script with which a shell completes commands, options and what they may be')
    .addArgument(new Argument('<shell>').choices([...SHELLS]))
    .addHelpText('after', EXAMPLES)
    .action((shell: (typeof SHELLS)[number]) => {
      surroundings.result(shell === 'bash' ? BASH_SCRIPT : libraryScript(shell, program.name()));
    });
  program
    .command('complete', { hidden: true })
    .argument('[words...]')
    .helpOption(false)
    .action(async (words: string[]) => {
      surroundings.result(written(await complete(program, words, createSources(surroundings, TIMEOUT_MS))));
    });
}

function written({ values, files, open, ordered }: Completion): string {
  const lines = values.map(({ value, description = '' }) => `${value}\t${description}`);
  const directive =
    (open ? DIRECTIVE.noSpace : 0) | (files ? 0 : DIRECTIVE.noFiles) | (ordered ? DIRECTIVE.keepOrder : 0);
  return [...lines, `:${directive}`].join('\n');
}
