import type { Job, JobFilter } from '@comfy-fleet/client';
import { type Command, Option } from 'commander';
import { EXIT } from '../../exit-codes.js';
import { act, type Context } from '../act.js';
import { connect } from '../connect.js';
import { addAccessOptions, addJsonOption, examples, type JsonOptions, wholeNumber } from '../options.js';
import { LODS, pairsOption } from '../order-fields.js';
import { JOB_COLUMNS, jobRow } from '../show-job.js';
import { type Cell, drawTable } from '../table.js';

const STATUSES = ['queued', 'running', 'canceling', 'succeeded', 'failed', 'canceled', 'expired'] as const;
const KINDS = ['text2img', 'img2img', 'workflow'] as const;
const SHOWN = 20;

const EXAMPLES = examples(
  ['comfy-fleet jobs --status failed --limit 5', 'the last that failed'],
  ['comfy-fleet jobs --metadata shelf=low --limit 1000 | jq -r .id', 'the ids of all that you named so'],
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
    .addOption(new Option('--status <status>', 'only these').choices([...STATUSES]))
    .addOption(new Option('--lod <level>', 'only of this level of detail').choices([...LODS]))
    .addOption(new Option('--kind <kind>', 'only of this kind').choices([...KINDS]))
    .option('--after <time>', 'only those created after it (ISO 8601)')
    .option('--before <time>', 'only those created before it')
    .addOption(pairsOption('--metadata <name=value>', 'only those that have it'))
    .addOption(new Option('--limit <n>', 'as many at most').argParser(wholeNumber(1)).default(SHOWN));
  addAccessOptions(addJsonOption(command)).addHelpText('after', EXAMPLES);
  act(command, context, async (surroundings, options: JobsOptions) => {
    const { terminal, result, say } = surroundings;
    const rows: Cell[][] = [];
    let left = options.limit;
    for await (const { snapshot } of (await connect(options, surroundings)).jobs.list(filterOf(options))) {
      if (terminal === undefined || options.json === true) result(JSON.stringify(snapshot));
      else rows.push(jobRow(snapshot));
      left -= 1;
      if (left === 0) break;
    }
    if (rows.length > 0) {
      const drawing = { width: (terminal?.columns ?? 80) - 1, isColored: terminal?.hasColors?.() ?? false };
      result(drawTable(JOB_COLUMNS, rows, drawing).join('\n'));
    } else if (left === options.limit) say('There is no such job.');
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
