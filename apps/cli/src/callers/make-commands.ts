import type { Fleet, RefineRequest } from '@comfy-fleet/client';
import { type Command, Option } from 'commander';
import { type Context, setAction, UsageError } from '../command.js';
import { makeJob, makeJobs } from './make-jobs.js';
import {
  addMakeOptions,
  addSheetOptions,
  examples,
  type MakeOptions,
  type SheetMakeOptions,
  wholeNumber,
} from './options.js';
import { addRequestOptions, fieldsOf, LODS, mergeFields, pairsOption, rowFields } from './request-fields.js';
import { prepareGenerate, prepareImg2img, prepareRun } from './requests.js';
import type { Row, Sheet } from './sheets/read-sheet.js';

const GENERATE_EXAMPLES = examples(
  ['comfy-fleet generate "a lighthouse in a storm" --lod sketch', 'a sketch, shown in the terminal'],
  ['comfy-fleet generate "a red fox" --seed 7 --count 4 -o fox-{seed}-{index}.webp', 'four pictures, as WebP'],
  ['comfy-fleet generate --from prompts.csv --lod mid -o out/{line}.png', 'one for each row: prompt,seed,steps,…'],
  ['comfy-fleet generate "a red fox" | jq -r \'select(.type == "progress").data.fraction\'', 'for a script'],
);

export function addGenerate(program: Command, context: Context): void {
  const command = program.command('generate').description('makes a picture from a text').argument('[prompt...]');
  addMakeOptions(addSheetOptions(addRequestOptions(command, 'generate'))).addHelpText('after', GENERATE_EXAMPLES);
  setAction(command, context, (io, words: string[], options: SheetMakeOptions) => {
    const isNone = words.length === 0;
    const said = { ...fieldsOf('generate', { ...options }), ...(isNone ? {} : { prompt: words.join(' ') }) };
    const making = {
      one: async (fleet: Fleet) => {
        if (isNone) throw new UsageError('Say what the picture shows: comfy-fleet generate "a red fox".');
        return prepareGenerate(fleet, said);
      },
      ofRow: async (fleet: Fleet, row: Row, sheet: Sheet) =>
        prepareGenerate(fleet, mergeFields(said, await rowFields('generate', row.fields, sheet.kind))),
    };
    return makeJobs(making, options, io);
  });
}

const IMG2IMG_EXAMPLES = examples(
  ['comfy-fleet img2img photo.jpg "as a watercolour" --denoise 0.6 -o watercolour.png', 'from a file'],
  ['comfy-fleet img2img https://example.com/photo.jpg "as a watercolour"', 'from an address'],
  ['comfy-fleet img2img --from photos.csv --denoise 0.4 -o out/{line}.png', 'one for each row: image,prompt,…'],
);

export function addImg2img(program: Command, context: Context): void {
  const command = program
    .command('img2img')
    .description('makes a picture from a picture and a text')
    .argument('[image]', 'a file, or an http(s) address')
    .argument('[prompt...]');
  addMakeOptions(addSheetOptions(addRequestOptions(command, 'img2img'))).addHelpText('after', IMG2IMG_EXAMPLES);
  setAction(command, context, (io, given: string | undefined, words: string[], options: SheetMakeOptions) => {
    const said = fieldsOf('img2img', { ...options });
    if (words.length > 0) said.prompt = words.join(' ');
    const order = async (fleet: Fleet, { image, ...fields }: Readonly<Record<string, unknown>>) => {
      if (typeof image === 'string' && fields.prompt !== undefined) return prepareImg2img(fleet, image, fields);
      throw new UsageError('Name an image and say what to make of it: comfy-fleet img2img a.png "at night".');
    };
    const making = {
      one: (fleet: Fleet) => order(fleet, { ...said, image: given }),
      ofRow: async (fleet: Fleet, row: Row, sheet: Sheet) =>
        order(fleet, mergeFields({ ...said, image: given }, await rowFields('img2img', row.fields, sheet.kind))),
    };
    return makeJobs(making, options, io);
  });
}

const RUN_EXAMPLES = examples(
  ['comfy-fleet run flux --input prompt="a red fox" --input steps=4 -o fox.png', 'a workflow of the fleet'],
  ['comfy-fleet run upscale --file image=@small.png -o large.png', 'with a file as an input'],
  ['comfy-fleet run upscale --from photos.csv -o out/{line}.png', 'one for each row; the columns are the inputs'],
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
  addMakeOptions(addSheetOptions(addRequestOptions(command, 'run'))).addHelpText('after', RUN_EXAMPLES);
  setAction(command, context, (io, workflow: string, { input, file, ...options }: RunOptions) => {
    const asked = { workflow, files: file, fields: fieldsOf('run', { ...options }) };
    const making = {
      one: (fleet: Fleet) => prepareRun(fleet, { ...asked, inputs: input }),
      ofRow: (fleet: Fleet, row: Row) => prepareRun(fleet, { ...asked, inputs: { ...input, ...row.fields } }),
    };
    return makeJobs(making, options, io);
  });
}

const REFINE_EXAMPLES = examples(
  ['comfy-fleet refine 0197… --lod final -o final.png', 'the same picture, at the highest level of detail'],
  ['comfy-fleet refine 0197… --lod mid --index 2', 'the third of its pictures'],
);

interface RefineOptions extends MakeOptions, RefineRequest {}

export function addRefine(program: Command, context: Context): void {
  const command = program
    .command('refine')
    .description('refines a picture at a higher level of detail')
    .argument('<job>');
  command
    .addOption(new Option('--lod <level>', 'a higher level of detail').choices([...LODS]).makeOptionMandatory())
    .addOption(new Option('--index <n>', 'which picture; 0 is the first').argParser(wholeNumber(0)));
  addMakeOptions(command).addHelpText('after', REFINE_EXAMPLES);
  setAction(command, context, (io, id: string, { lod, index, ...options }: RefineOptions) => {
    const request = { lod, ...(index === undefined ? {} : { index }) };
    return makeJob(async (fleet, more) => (await fleet.jobs.get(id)).refine(request, more), options, io);
  });
}

const RETRY_EXAMPLES = examples(
  ['comfy-fleet retry 0197… -o again.png', 'the same job again, for example after a failure'],
  ['comfy-fleet retry 0197… --seed random', 'another picture of the same request'],
);

interface RetryOptions extends MakeOptions {
  readonly seed?: string;
}

export function addRetry(program: Command, context: Context): void {
  const command = program.command('retry').description('runs a finished job again').argument('<job>');
  command.option('--seed <seed>', 'a number, or random; the same as before by default');
  addMakeOptions(command).addHelpText('after', RETRY_EXAMPLES);
  setAction(command, context, (io, id: string, { seed, ...options }: RetryOptions) => {
    const request = seed === undefined ? {} : { seed };
    return makeJob(async (fleet, more) => (await fleet.jobs.get(id)).retry({ ...request, ...more }), options, io);
  });
}
