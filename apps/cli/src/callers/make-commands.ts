import type { Fleet, RefineRequest } from '@comfy-fleet/client';
import { type Command, Option } from 'commander';
import { act, type Context, UsageError } from '../command.js';
import { makeJob, makeJobs } from './make-jobs.js';
import {
  addMakeOptions,
  addSheetOptions,
  examples,
  type MakeOptions,
  type SheetMakeOptions,
  wholeNumber,
} from './options.js';
import { addOrderOptions, fieldsOf, LODS, mergeFields, pairsOption, rowFields } from './request-fields.js';
import { generateOrder, img2imgOrder, runOrder } from './requests.js';
import type { Row, Sheet } from './sheets/read-sheet.js';

const GENERATE_EXAMPLES = examples(
  ['comfy-fleet generate "a lighthouse in a storm" --lod sketch', 'a sketch, shown in the terminal'],
  ['comfy-fleet generate "a red fox" --seed 7 --count 4 -o fox-{seed}-{index}.webp', 'four pictures, as WebP'],
  ['comfy-fleet generate --from prompts.csv --lod mid -o out/{line}.png', 'one of each row: prompt,seed,steps,…'],
  ['comfy-fleet generate "a red fox" | jq -r \'select(.type == "progress").data.fraction\'', 'for a script'],
);

export function addGenerate(program: Command, context: Context): void {
  const command = program.command('generate').description('makes a picture from a text').argument('[prompt...]');
  addMakeOptions(addSheetOptions(addOrderOptions(command, 'generate'))).addHelpText('after', GENERATE_EXAMPLES);
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

const IMG2IMG_EXAMPLES = examples(
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
  addMakeOptions(addSheetOptions(addOrderOptions(command, 'img2img'))).addHelpText('after', IMG2IMG_EXAMPLES);
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

const RUN_EXAMPLES = examples(
  ['comfy-fleet run flux --input prompt="a red fox" --input steps=4 -o fox.png', 'a workflow of the fleet'],
  ['comfy-fleet run upscale --file image=@small.png -o large.png', 'with a file to start from'],
  ['comfy-fleet run upscale --from photos.csv -o out/{line}.png', 'one of each row: its columns are the inputs'],
  ['comfy-fleet workflows show flux', 'its inputs'],
);

interface RunOptions extends SheetMakeOptions {
  readonly input: Readonly<Record<string, string>>;
  readonly file: Readonly<Record<string, string>>;
}

export function addRun(program: Command, context: Context): void {
  const command = program.command('run').description('runs a workflow').argument('<workflow>');
  command
    .addOption(pairsOption('--input <input=value>', 'an input'))
    .addOption(pairsOption('--file <input=@path>', 'a file for an input'));
  addMakeOptions(addSheetOptions(addOrderOptions(command, 'run'))).addHelpText('after', RUN_EXAMPLES);
  act(command, context, (surroundings, workflow: string, { input, file, ...options }: RunOptions) => {
    const asked = { workflow, files: file, fields: fieldsOf('run', { ...options }) };
    const making = {
      one: (fleet: Fleet) => runOrder(fleet, { ...asked, inputs: input }),
      ofRow: (fleet: Fleet, row: Row) => runOrder(fleet, { ...asked, inputs: { ...input, ...row.fields } }),
    };
    return makeJobs(making, options, surroundings);
  });
}

const REFINE_EXAMPLES = examples(
  ['comfy-fleet refine 0197… --lod final -o final.png', 'the same picture, at the last level of detail'],
  ['comfy-fleet refine 0197… --lod mid --index 2', 'the third of its pictures'],
);

interface RefineOptions extends MakeOptions, RefineRequest {}

export function addRefine(program: Command, context: Context): void {
  const command = program.command('refine').description('goes on from a picture at another level').argument('<job>');
  command
    .addOption(new Option('--lod <level>', 'a higher level of detail').choices([...LODS]).makeOptionMandatory())
    .addOption(new Option('--index <n>', 'which picture; 0 is the first').argParser(wholeNumber(0)));
  addMakeOptions(command).addHelpText('after', REFINE_EXAMPLES);
  act(command, context, (surroundings, id: string, { lod, index, ...options }: RefineOptions) => {
    const request = { lod, ...(index === undefined ? {} : { index }) };
    return makeJob(async (fleet, more) => (await fleet.jobs.get(id)).refine(request, more), options, surroundings);
  });
}

const RETRY_EXAMPLES = examples(
  ['comfy-fleet retry 0197… -o again.png', 'the same once more, for example after a failure'],
  ['comfy-fleet retry 0197… --seed random', 'another picture of the same request'],
);

interface RetryOptions extends MakeOptions {
  readonly seed?: string;
}

export function addRetry(program: Command, context: Context): void {
  const command = program.command('retry').description('makes a job that has ended once more').argument('<job>');
  command.option('--seed <seed>', 'a number, or random; the same as before by default');
  addMakeOptions(command).addHelpText('after', RETRY_EXAMPLES);
  act(command, context, (surroundings, id: string, { seed, ...options }: RetryOptions) => {
    const request = seed === undefined ? {} : { seed };
    return makeJob(
      async (fleet, more) => (await fleet.jobs.get(id)).retry({ ...request, ...more }),
      options,
      surroundings,
    );
  });
}
