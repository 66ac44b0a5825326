import type { Fleet, Workflow } from '@comfy-fleet/client';
import type { Command } from 'commander';
import { type AccessOptions, connect, profileNames } from '../callers/connect.js';
import type { CommandIo } from '../command.js';
import { plain } from '../text.js';

export interface Value {
  readonly value: string;
  readonly description?: string;
}

/** The command line so far. */
interface Line {
  readonly command: Command;
  /** Words that are not options. */
  readonly operands: readonly string[];
  /** Option values by attribute name. */
  readonly options: Readonly<Record<string, string>>;
}

/** Provides the possible values of an option or argument. */
export type Source = (line: Line) => Promise<readonly Value[]>;

type Schema = Readonly<Record<string, { readonly enum?: readonly unknown[]; readonly contentMediaType?: string }>>;

const OPEN = ['queued', 'running', 'canceling'];
const SUCCEEDED = ['succeeded'];
const ENDED = ['succeeded', 'failed', 'canceled', 'expired'];
/** Statuses of the jobs that a command can act on; other commands accept any job. */
const WANTED: Readonly<Record<string, readonly string[]>> = {
  watch: OPEN,
  cancel: OPEN,
  refine: SUCCEEDED,
  download: SUCCEEDED,
  retry: ENDED,
};
const JOBS_READ = 100;
const JOBS_SHOWN = 20;
const LONGEST_DESCRIPTION = 60;
/** Values that a shell might not treat as a word are left out. */
const WORD = /^[\w.:@/+=~-]+$/;

/**
 * The values of options and arguments, by their name in the help. The API is the one that the line names. Its deadline is
 * `timeoutMs`, since the user is waiting; if it does not answer, there are no values.
 */
export function createSources(io: CommandIo, timeoutMs: number): Readonly<Record<string, Source>> {
  const asking =
    (ask: (fleet: Fleet, line: Line) => Promise<readonly Value[]>): Source =>
    async (line) => {
      const fleet = await connect(line.options as AccessOptions, io, { retries: 0, timeoutMs });
      return ask(fleet, line);
    };
  const ofText2img = (input: string) =>
    asking(async (fleet) => {
      const known = schemaOf(await fleet.workflow('text2img'))[input]?.enum ?? [];
      return known.map((value) => ({ value: `${value}` }));
    });
  const sources: Record<string, Source> = {
    job: asking(newestJobs),
    workflow: asking(async (fleet) =>
      (await fleet.workflows()).map(({ name, description }) => ({ value: name, description: description ?? '' })),
    ),
    model: asking(async (fleet) =>
      (await fleet.models.list()).data.map(({ kind, name }) => ({ value: `${kind}/${name}` })),
    ),
    'input=value': asking(async (fleet, line) => inputsOf(fleet, line, false)),
    'input=@path': asking(async (fleet, line) => inputsOf(fleet, line, true)),
    checkpoint: ofText2img('checkpoint'),
    sampler: ofText2img('sampler'),
    scheduler: ofText2img('scheduler'),
    profile: async () => (await profileNames(io.env)).map((value) => ({ value })),
    id: async ({ options }) => {
      const { keyNames } = await import('../keys/run-keys.js');
      return (await keyNames(options, io)).map((value) => ({ value }));
    },
  };
  return Object.fromEntries(Object.entries(sources).map(([kind, source]) => [kind, safely(source)]));
}

async function newestJobs(fleet: Fleet, { command, operands }: Line): Promise<Value[]> {
  const { jobs } = await fleet.jobs.page({ limit: JOBS_READ });
  const wanted = WANTED[command.name()];
  return jobs
    .filter(({ id, status }) => (wanted === undefined || wanted.includes(status)) && !operands.includes(id))
    .slice(0, JOBS_SHOWN)
    .map(({ id, status, snapshot: { request } }) => ({
      value: id,
      description: `${status} · ${request.prompt ?? request.workflow}`,
    }));
}

async function inputsOf(fleet: Fleet, { operands: [workflow] }: Line, files: boolean): Promise<Value[]> {
  if (workflow === undefined) return [];
  const schema = schemaOf(await fleet.workflow(workflow));
  return Object.entries(schema)
    .filter(([, { contentMediaType }]) => !files || contentMediaType !== undefined)
    .map(([name]) => ({ value: `${name}=${files ? '@' : ''}` }));
}

function schemaOf({ inputs }: Workflow): Schema {
  return (inputs.properties ?? {}) as Schema;
}

/** Returns no values if the source fails, and only values and descriptions that are safe in a shell. */
function safely(source: Source): Source {
  return async (line) => {
    const values = await source(line).catch(() => []);
    return values
      .filter(({ value }) => WORD.test(value))
      .map(({ value, description = '' }) => ({
        value,
        description: plain(description).slice(0, LONGEST_DESCRIPTION),
      }));
  };
}
