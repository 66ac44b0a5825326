import type { Fleet } from '@comfy-fleet/client';
import type { Command } from 'commander';
import { UsageError } from '../../command.js';
import { act, type Context } from '../act.js';
import { makeJobs } from '../make-jobs.js';
import { addMakeOptions, addSheetOptions, examples, type SheetMakeOptions } from '../options.js';
import { addOrderOptions, fieldsOf, mergeFields, rowFields } from '../order-fields.js';
import { img2imgOrder } from '../orders.js';
import type { Row, Sheet } from '../sheets/read-sheet.js';

const EXAMPLES = examples(
  ['comfy-fleet img2img photo.jpg "as a watercolour" --denoise 0.6 -o watercolour.png', 'from a file'],
  ['comfy-fleet img2img https://example.com/photo.jpg "as a watercolour"', 'from an address'],
  ['comfy-fleet img2img --from photos.csv --denoise 0.4 -o out/{line}.png', 'one of each row: image,prompt,…'],
);

export function addImg2img(program: Command, context: Context): void {
  const command = program
    .command('img2img')
    .description('makes a picture from a picture and a text')
    .argument('[image]', 'a file, or an http(s) address')
    .argument('[prompt...]');
  addMakeOptions(addSheetOptions(addOrderOptions(command, 'img2img'))).addHelpText('after', EXAMPLES);
  act(command, context, (surroundings, given: string | undefined, words: string[], options: SheetMakeOptions) => {
    const said = fieldsOf('img2img', { ...options });
    if (words.length > 0) said.prompt = words.join(' ');
    const order = async (fleet: Fleet, { image, ...fields }: Readonly<Record<string, unknown>>) => {
      if (typeof image === 'string' && fields.prompt !== undefined) return img2imgOrder(fleet, image, fields);
      throw new UsageError('Say what to start from, and what to make of it: comfy-fleet img2img a.png "at night".');
    };
    const making = {
      one: (fleet: Fleet) => order(fleet, { ...said, image: given }),
      ofRow: async (fleet: Fleet, row: Row, sheet: Sheet) =>
        order(fleet, mergeFields({ ...said, image: given }, await rowFields('img2img', row.fields, sheet.kind))),
    };
    return makeJobs(making, options, surroundings);
  });
}
