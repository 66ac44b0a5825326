import type { Fleet } from '@comfy-fleet/client';
import type { Command } from 'commander';
import { UsageError } from '../../command.js';
import { act, type Context } from '../act.js';
import { makeJobs } from '../make-jobs.js';
import { addMakeOptions, addSheetOptions, examples, type SheetMakeOptions } from '../options.js';
import { addOrderOptions, fieldsOf, mergeFields, rowFields } from '../order-fields.js';
import { generateOrder } from '../orders.js';
import type { Row, Sheet } from '../sheets/read-sheet.js';

const EXAMPLES = examples(
  ['comfy-fleet generate "a lighthouse in a storm" --lod sketch', 'a sketch, shown in the terminal'],
  ['comfy-fleet generate "a red fox" --seed 7 --count 4 -o fox-{seed}-{index}.webp', 'four pictures, as WebP'],
  ['comfy-fleet generate --from prompts.csv --lod mid -o out/{line}.png', 'one of each row: prompt,seed,steps,…'],
  ['comfy-fleet generate "a red fox" | jq -r \'select(.type == "progress").data.fraction\'', 'for a script'],
);

export function addGenerate(program: Command, context: Context): void {
  const command = program.command('generate').description('makes a picture from a text').argument('[prompt...]');
  addMakeOptions(addSheetOptions(addOrderOptions(command, 'generate'))).addHelpText('after', EXAMPLES);
  act(command, context, (surroundings, words: string[], options: SheetMakeOptions) => {
    const isNone = words.length === 0;
    const said = { ...fieldsOf('generate', { ...options }), ...(isNone ? {} : { prompt: words.join(' ') }) };
    const making = {
      one: async (fleet: Fleet) => {
        if (isNone) throw new UsageError('Say what the picture shows: comfy-fleet generate "a red fox".');
        return generateOrder(fleet, said);
      },
      ofRow: async (fleet: Fleet, row: Row, sheet: Sheet) =>
        generateOrder(fleet, mergeFields(said, await rowFields('generate', row.fields, sheet.kind))),
    };
    return makeJobs(making, options, surroundings);
  });
}
