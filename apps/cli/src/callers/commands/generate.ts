import type { Command } from 'commander';
import { UsageError } from '../../command.js';
import { act, type Context } from '../act.js';
import { makeJob } from '../make-job.js';
import { addMakeOptions, examples, type MakeOptions } from '../options.js';
import { addOrderOptions, fieldsOf } from '../order-fields.js';
import { generateOrder } from '../orders.js';

const EXAMPLES = examples(
  ['comfy-fleet generate "a lighthouse in a storm" --lod sketch', 'a sketch, shown in the terminal'],
  ['comfy-fleet generate "a red fox" --seed 7 --count 4 -o fox-{seed}-{index}.webp', 'four pictures, as WebP'],
  ['comfy-fleet generate "a red fox" | jq -r "select(.type == \\"progress\\").data.fraction"', 'for a script'],
);

export function addGenerate(program: Command, context: Context): void {
  const command = program.command('generate').description('makes a picture from a text').argument('[prompt...]');
  addMakeOptions(addOrderOptions(command, 'generate')).addHelpText('after', EXAMPLES);
  act(command, context, (surroundings, words: string[], options: MakeOptions) => {
    if (words.length === 0) throw new UsageError('Say what the picture shows: comfy-fleet generate "a red fox".');
    const fields = { ...fieldsOf('generate', { ...options }), prompt: words.join(' ') };
    return makeJob((fleet) => generateOrder(fleet, fields).place({}), options, surroundings);
  });
}
