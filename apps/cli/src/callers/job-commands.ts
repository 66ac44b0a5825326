import type { Job, JobFilter } from '@comfy-fleet/client';
import { type Command, Option } from 'commander';
import { type Context, setAction, UsageError } from '../command.js';
import { codeOf, EXIT } from '../exit-codes.js';
import { type Cell, drawingFor, drawTable } from '../table.js';
import { type AccessOptions, connect } from './connect.js';
import { follow } from './follow.js';
import { printJob } from './make-jobs.js';
import {
  addAccessOptions,
  addFollowOptions,
  addJsonOption,
  examples,
  type JsonOptions,
  type MakeOptions,
  wholeNumber,
} from './options.js';
import { createReport } from './report.js';
import { LODS, pairsOption } from './request-fields.js';
import { readTemplate, saveOutputs } from './save-outputs.js';
import { JOB_COLUMNS, jobRow, showJob } from './show-job.js';

const STATUSES = ['queued', 'running', 'canceling', 'succeeded', 'failed', 'canceled', 'expired'] as const;
const KINDS = ['text2img', 'img2img', 'workflow'] as const;
const SHOWN = 20;

const JOBS_EXAMPLES = examples(
  ['comfy-fleet jobs --status failed --limit 5', 'the latest failed jobs'],
  ['comfy-fleet jobs --metadata shelf=low --limit 1000 | jq -r .id', 'the ids of all jobs with this metadata'],
);

interface JobsOptions extends JsonOptions {
  readonly status?: Job['status'];
  readonly lod?: (typeof LODS)[number];
  readonly kind?: Job['kind'];
  readonly after?: string;
  readonly before?: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly limit: number;
}

export function addJobs(program: Command, context: Context): void {
  const command = program.command('jobs').description('lists your jobs, newest first');
  command
    .addOption(new Option('--status <status>', 'only jobs in this status').choices([...STATUSES]))
    .addOption(new Option('--lod <level>', 'only this level of detail').choices([...LODS]))
    .addOption(new Option('--kind <kind>', 'only this kind').choices([...KINDS]))
    .option('--after <time>', 'only jobs created after this time (ISO 8601)')
    .option('--before <time>', 'only jobs created before this time')
    .addOption(pairsOption('--metadata <name=value>', 'only jobs with this metadata'))
    .addOption(new Option('--limit <n>', 'the most jobs to list').argParser(wholeNumber(1)).default(SHOWN));
  addAccessOptions(addJsonOption(command)).addHelpText('after', JOBS_EXAMPLES);
  setAction(command, context, async (io, options: JobsOptions) => {
    const { terminal, result, info } = io;
    const rows: Cell[][] = [];
    let left = options.limit;
    for await (const { snapshot } of (await connect(options, io)).jobs.list(filterOf(options))) {
      if (terminal === undefined || options.json === true) result(JSON.stringify(snapshot));
      else rows.push(jobRow(snapshot));
      left -= 1;
      if (left === 0) break;
    }
    if (rows.length > 0) {
      result(drawTable(JOB_COLUMNS, rows, drawingFor(terminal)).join('\n'));
    } else if (left === options.limit) info('No job matches.');
    return EXIT.done;
  });
}

function filterOf({ status, lod, kind, after, before, metadata }: JobsOptions): JobFilter {
  return {
    ...(status === undefined ? {} : { status }),
    ...(lod === undefined ? {} : { lod }),
    ...(kind === undefined ? {} : { kind }),
    ...(after === undefined ? {} : { created_after: after }),
    ...(before === undefined ? {} : { created_before: before }),
    metadata,
  };
}

const GET_EXAMPLES = examples(
  ['comfy-fleet get 0197…', 'all that is known of a job'],
  ['comfy-fleet get 0197… | jq -r .request.seed', 'one field of it'],
);

export function addGet(program: Command, context: Context): void {
  const command = program.command('get').description('shows a job').argument('<job>');
  addAccessOptions(addJsonOption(command)).addHelpText('after', GET_EXAMPLES);
  setAction(command, context, async ({ terminal, result, ...io }, id: string, options: JsonOptions) => {
    const fleet = await connect(options, { result, ...io });
    const job = await fleet.jobs.get(id);
    result(terminal === undefined || options.json === true ? JSON.stringify(job.snapshot) : showJob(job));
    return EXIT.done;
  });
}

const WATCH_EXAMPLES = examples(
  ['comfy-fleet watch 0197… -o fox.png', 'follows a job to its end and saves its files'],
  ['comfy-fleet watch $(comfy-fleet generate "a red fox" --detach | jq -r .id)', 'a detached job'],
);

export function addWatch(program: Command, context: Context): void {
  const command = program.command('watch').description('follows a job to its end').argument('<job>');
  addFollowOptions(command).addHelpText('after', WATCH_EXAMPLES);
  setAction(command, context, async (io, id: string, { output, ...options }: MakeOptions) => {
    const template = output === undefined ? undefined : readTemplate(output, 'one job');
    const fleet = await connect(options, io);
    return follow(fleet, await fleet.jobs.get(id), { ...options, template }, io);
  });
}

const CANCEL_EXAMPLES = examples(
  ['comfy-fleet cancel 0197…', 'one job'],
  ['comfy-fleet jobs --status queued --limit 1000 | jq -r .id | xargs comfy-fleet cancel', 'all waiting jobs'],
);

export function addCancel(program: Command, context: Context): void {
  const command = program.command('cancel').description('cancels jobs').argument('<job...>');
  addAccessOptions(addJsonOption(command)).addHelpText('after', CANCEL_EXAMPLES);
  setAction(command, context, async (io, ids: string[], options: JsonOptions) => {
    const fleet = await connect(options, io);
    for (const id of ids) {
      const job = await fleet.jobs.get(id);
      await job.cancel();
      printJob(job, options, io);
    }
    return EXIT.done;
  });
}

const DELETE_EXAMPLES = examples(
  ['comfy-fleet delete 0197…', 'a job and its files'],
  ['comfy-fleet jobs --status failed --limit 1000 | jq -r .id | xargs comfy-fleet delete', 'all failed jobs'],
);

export function addDelete(program: Command, context: Context): void {
  const command = program.command('delete').description('deletes jobs that have ended, with their files');
  addAccessOptions(command.argument('<job...>')).addHelpText('after', DELETE_EXAMPLES);
  setAction(command, context, async (io, ids: string[], options: AccessOptions) => {
    const fleet = await connect(options, io);
    for (const id of ids) {
      await (await fleet.jobs.get(id)).delete();
      io.info(`${id} is deleted.`);
    }
    return EXIT.done;
  });
}

const TEMPLATE = '{id}-{index}';

const DOWNLOAD_EXAMPLES = examples(
  ['comfy-fleet download 0197…', 'all files of a job, as <job>-<index>.<extension>'],
  ['comfy-fleet download 0197… -o small.webp --width 256', 'a smaller picture, as WebP'],
);

interface DownloadOptions extends JsonOptions {
  readonly output: string;
  readonly width?: number;
}

export function addDownload(program: Command, context: Context): void {
  const command = program.command('download').description('saves the files that jobs made').argument('<job...>');
  command
    .option('-o, --output <path>', '{id}, {index}, {seed} in the name, or a folder/', TEMPLATE)
    .addOption(
      new Option('--width <pixels>', 'width of pictures: 64, 128, 256, … as the API offers them').argParser(
        wholeNumber(1),
      ),
    );
  addAccessOptions(addJsonOption(command)).addHelpText('after', DOWNLOAD_EXAMPLES);
  setAction(command, context, async (io, ids: string[], { output, width, ...options }: DownloadOptions) => {
    const template = readTemplate(output, ids.length > 1 ? 'jobs' : 'one job');
    const fleet = await connect(options, io);
    const report = createReport(io, { ...options, picture: false });
    let code: number = EXIT.done;
    try {
      for (const id of ids) {
        const job = await fleet.jobs.get(id);
        if (job.snapshot.finished_at === null)
          throw new UsageError(`The job ${id} is ${job.status}: wait for its end first, with watch.`);
        for await (const file of saveOutputs(job, { template, width })) report.file(file);
        if (job.status !== 'succeeded') {
          io.info(`The job ${id} ended as ${job.status}${job.outputs.length === 0 ? ' and made no files' : ''}.`);
          code = codeOf(job);
        }
      }
      return code;
    } finally {
      report.close();
    }
  });
}
