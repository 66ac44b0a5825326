import { type Command, Option } from 'commander';
import { UsageError } from '../../command.js';
import { codeOf, EXIT } from '../../exit-codes.js';
import { act, type Context } from '../act.js';
import { connect } from '../connect.js';
import { readTemplate } from '../file-names.js';
import { createReport } from '../follow/create-report.js';
import { addAccessOptions, addJsonOption, examples, type JsonOptions, wholeNumber } from '../options.js';
import { saveOutputs } from '../save-outputs.js';

const TEMPLATE = '{id}-{index}';

const EXAMPLES = examples(
  ['comfy-fleet download 0197…', 'all files of a job, as <job>-<index>.<extension>'],
  ['comfy-fleet download 0197… -o small.webp --width 256', 'a smaller one, as WebP'],
);

interface DownloadOptions extends JsonOptions {
  readonly output: string;
  readonly width?: number;
}

export function addDownload(program: Command, context: Context): void {
  const command = program.command('download').description('saves what jobs made').argument('<job...>');
  command
    .option('-o, --output <path>', '{id}, {index}, {seed} in the name, or a folder/', TEMPLATE)
    .addOption(
      new Option('--width <pixels>', 'of pictures; 64, 128, 256, … as the API offers them').argParser(wholeNumber(1)),
    );
  addAccessOptions(addJsonOption(command)).addHelpText('after', EXAMPLES);
  act(command, context, async (surroundings, ids: string[], { output, width, ...options }: DownloadOptions) => {
    const template = readTemplate(output, ids.length > 1 ? 'jobs' : 'one job');
    const fleet = await connect(options, surroundings);
    const report = createReport(surroundings, { ...options, picture: false });
    let code: number = EXIT.done;
    try {
      for (const id of ids) {
        const job = await fleet.jobs.get(id);
        if (job.snapshot.finished_at === null) throw new UsageError(`The job ${id} is ${job.status}: watch it first.`);
        for await (const file of saveOutputs(job, { template, width })) report.file(file);
        if (job.status !== 'succeeded') {
          surroundings.say(`The job ${id} ${job.status}${job.outputs.length === 0 ? ': it made nothing' : ''}.`);
          code = codeOf(job);
        }
      }
      return code;
    } finally {
      report.close();
    }
  });
}
