import { readFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { type Choices, readChoices } from '../choices.js';
import { FileFault } from '../file-fault.js';
import { parseJson } from '../json-text.js';
import { WorkflowError } from '../workflow-error.js';
import type { Catalogue } from './catalogue.js';
import { describeWorkflow, type WorkflowDescription } from './describe-workflow.js';
import { type InputsFile, readInputsFile } from './read-inputs-file.js';
import { readWorkflow, type SavedWorkflow } from './read-workflow.js';

const READ_TIMEOUT_MS = 10_000;

export interface OpenedWorkflow {
  /** The file's name without `.json`. */
  readonly name: string;
  readonly graph: SavedWorkflow['graph'];
  describe(catalogue: Catalogue | undefined): WorkflowDescription;
}

/**
 * Reads a workflow with the `<name>.inputs.json` and `<name>.bindings.json` beside it. Throws a WorkflowError with
 * everything that is wrong in any of them; so does `describe` for a bindings file that names what is not there.
 */
export async function openWorkflow(path: string): Promise<OpenedWorkflow> {
  const name = basename(path, '.json');
  const beside = (suffix: string) => join(dirname(path), `${name}${suffix}`);
  const saved = await read(path, readWorkflow);
  if (saved === undefined) throw new WorkflowError([`${path}: there is no such file`]);
  const file: InputsFile = (await read(beside('.inputs.json'), readInputsFile)) ?? {};
  const choices: Choices = (await read(beside('.bindings.json'), readChoices)) ?? {};
  return {
    name,
    graph: saved.graph,
    describe: (catalogue) => named(path, () => describeWorkflow(saved, { file, choices, catalogue })),
  };
}

/** Undefined when the file is not there. */
async function read<T>(path: string, use: (json: unknown) => T): Promise<T | undefined> {
  let text: string;
  try {
    text = await readFile(path, { encoding: 'utf8', signal: AbortSignal.timeout(READ_TIMEOUT_MS) });
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return undefined;
    throw new WorkflowError([`${path}: cannot be read (${message})`]);
  }
  return named(path, () => use(parseJson(text)));
}

function named<T>(path: string, use: () => T): T {
  try {
    return use();
  } catch (error) {
    if (!(error instanceof FileFault)) throw error;
    const file = basename(path);
    const bindings = file.replace(/\.json$/, '.bindings.json');
    throw new WorkflowError(
      error.faults.map(({ problem, inBindings }) => `${inBindings ? bindings : file}: ${problem}`),
    );
  }
}
