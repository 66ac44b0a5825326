import type { Fleet } from '@comfy-fleet/client';
import type { Command } from 'commander';
import { UsageError } from '../../command.js';
import { act, type Context } from '../act.js';
import { makeJob } from '../make-job.js';
import { addMakeOptions, examples, type MakeOptions } from '../options.js';
import { addOrderOptions, fieldsOf } from '../order-fields.js';
import { img2imgOrder } from '../orders.js';

const EXAMPLES = examples(
  ['comfy-fleet img2img photo.jpg "as a watercolour" --denoise 0.6 -o watercolour.png', 'from a file'],
  ['comfy-fleet img2img https://example.com/photo.jpg "as a watercolour"', 'from an address'],
);

export function addImg2img(program: Command, context: Context): void {
  const command = program
    .command('img2img')
    .description('makes a picture from a picture and a text')
    .argument('<image>', 'a file, or an http(s) address')
    .argument('[prompt...]');
  addMakeOptions(addOrderOptions(command, 'img2img')).addHelpText('after', EXAMPLES);
  act(command, context, (surroundings, image: string, words: string[], options: MakeOptions) => {
    if (words.length === 0) throw new UsageError('Say what to make of it: comfy-fleet img2img a.png "at night".');
    const fields = { ...fieldsOf('img2img', { ...options }), prompt: words.join(' ') };
    const place = async (fleet: Fleet) => (await img2imgOrder(fleet, image.replace(/^@/, ''), fields)).place({});
    return makeJob(place, options, surroundings);
  });
}
