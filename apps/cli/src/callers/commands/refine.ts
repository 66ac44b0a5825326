import type { RefineRequest } from '@comfy-fleet/client';
import { type Command, Option } from 'commander';
import { act, type Context } from '../act.js';
import { makeJob } from '../make-job.js';
import { addMakeOptions, examples, type MakeOptions, wholeNumber } from '../options.js';
import { LODS } from '../order-fields.js';

const EXAMPLES = examples(
  ['comfy-fleet refine 0197… --lod final -o final.png', 'the same picture, at the last level of detail'],
  ['comfy-fleet refine 0197… --lod mid --index 2', 'the third of its pictures'],
);

interface RefineOptions extends MakeOptions, RefineRequest {}

export function addRefine(program: Command, context: Context): void {
  const command = program.command('refine').description('goes on from a picture at another level').argument('<job>');
  command
    .addOption(new Option('--lod <level>', 'a higher level of detail').choices([...LODS]).makeOptionMandatory())
    .addOption(new Option('--index <n>', 'which picture; 0 is the first').argParser(wholeNumber(0)));
  addMakeOptions(command).addHelpText('after', EXAMPLES);
  act(command, context, (surroundings, id: string, { lod, index, ...options }: RefineOptions) => {
    const request = { lod, ...(index === undefined ? {} : { index }) };
    return makeJob(async (fleet, more) => (await fleet.jobs.get(id)).refine(request, more), options, surroundings);
  });
}
