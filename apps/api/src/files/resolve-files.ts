import { type InputFile, isId } from '@comfy-fleet/contracts';
import type { AssetFile } from '@comfy-fleet/jobs';
import type { Deps } from '../deps.js';
import { aboutUrl } from '../server/field-errors.js';
import type { ApiRequest } from '../server/messages.js';
import { allOrNone } from '../server/turns.js';
import { invalidAt as fault } from '../server/validator.js';
import { type KeepFileOptions, keepFile } from './keep-file.js';
import { owns } from './ownership.js';
import { requireStorageShare } from './storage.js';

export interface FileRequest extends Pick<ApiRequest, 'caller' | 'files' | 'holds' | 'signal'> {
  /** Assets that other jobs of the request already found, by their reference: a batch may name one a thousand times. */
  readonly assets: Map<unknown, Promise<InputFile>>;
}

/** How many inputs of a job may name a file. A key's own graph may have 32 nodes that load one. */
const MOST_FILES = 100;
/** How many files of one request are stored at a time. */
const AT_ONCE = 4;
/** How long fetching a file by its URL may take. */
const URL_TIMEOUT_MS = 60_000;
const FORMS = 'must be an upload, asset:<id>, job:<id>/<output>, or an http(s) URL';

/**
 * Stores the files of a job's inputs and renews the age of those that are already stored, right before the job is created:
 * files of the form, and those that `values` names by text. Throws validation_failed, url_not_allowed, url_unreachable, and
 * what keepFile throws; storage_share_exceeded also if all files are stored already, since a waiting job retains them.
 */
export async function resolveFiles(
  deps: Deps,
  request: FileRequest,
  values: Readonly<Record<string, unknown>>,
  pointer: (input: string) => string,
): Promise<Readonly<Record<string, InputFile>>> {
  if (request.files.length === 0 && Object.keys(values).length === 0) return {};
  await requireStorageShare(deps, request.caller);
  const found: [input: string, file: InputFile][] = [];
  for (const { field, file } of request.files) {
    if (Object.hasOwn(values, field)) throw fault(pointer(field), 'is given twice: as a file and as text');
    found.push([field, inputFile(file)]);
  }
  const given = Object.keys(values).length;
  if (given > MOST_FILES) throw fault('', `names files in ${given} inputs; at most ${MOST_FILES} may name one`);
  const named = Object.entries(values).map(([input, value]) => ({ input, value, pointer: pointer(input) }));
  const assets = named.filter(({ value }) => typeof value === 'string' && value.startsWith('asset:'));
  // Assets come last, so that they do not expire while other files are fetched.
  const others = named.filter((one) => !assets.includes(one));
  const distinct = [...new Map(others.map((one) => [one.value, one])).values()];
  refuseTooMany(distinct, deps.config.assets.maxUrls);
  const tasks = distinct.map((one) => (signal: AbortSignal) => storeNamed(deps, { ...request, signal }, one));
  const files = await allOrNone(tasks, { atOnce: AT_ONCE, signal: request.signal });
  const known = new Map(distinct.map(({ value }, index) => [value, files[index]]));
  for (const { input, value } of others) {
    const file = known.get(value);
    if (file !== undefined) found.push([input, file]);
  }
  for (const one of assets) {
    const file = request.assets.get(one.value) ?? ownAsset(deps, request, one);
    request.assets.set(one.value, file);
    found.push([one.input, await file]);
  }
  // Touching a file of a bucket copies it, so each is touched once.
  const inputs = new Map(found.map(([input, { name }]) => [name, input]));
  for (const [name, input] of inputs) {
    if (!(await deps.inputs.touch(name))) throw fault(pointer(input), 'is a file that no longer exists');
  }
  return Object.fromEntries(found);
}

interface Named {
  readonly value: unknown;
  readonly pointer: string;
}

function refuseTooMany(named: readonly Named[], most: number): void {
  const urls = named.filter(({ value }) => isUrl(value));
  const [first] = urls.slice(most);
  if (first === undefined) return;
  throw fault(first.pointer, `is one of ${urls.length} different URLs; at most ${most} are allowed`);
}

function isUrl(value: unknown): value is string {
  return typeof value === 'string' && /^https?:/i.test(value);
}

async function ownAsset(
  { ledger }: Deps,
  { caller }: Pick<FileRequest, 'caller'>,
  { value, pointer }: Named,
): Promise<InputFile> {
  const id = `${value}`.slice('asset:'.length);
  const asset = isId(id) ? await ledger.assets.use(caller.id, id) : undefined;
  if (asset === undefined) throw fault(pointer, 'names an asset that does not exist or was deleted');
  return inputFile(asset);
}

async function storeNamed(deps: Deps, request: FileRequest, { value, pointer }: Named): Promise<InputFile> {
  if (typeof value !== 'string') throw fault(pointer, FORMS);
  const [, job, output] = /^job:([^/]+)\/(.+)$/s.exec(value) ?? [];
  if (job !== undefined && output !== undefined) return fromJob(deps, request, { job, output, pointer });
  if (!isUrl(value)) throw fault(pointer, FORMS);
  const { holds, signal } = request;
  return inputFile(await fetchFile(deps, value, { caller: request.caller, holds, pointer, signal }));
}

async function fromJob(
  deps: Deps,
  request: FileRequest,
  { job, output, pointer }: { readonly job: string; readonly output: string; readonly pointer: string },
): Promise<InputFile> {
  const snapshot = isId(job) ? await deps.ledger.jobs.get(job) : undefined;
  if (snapshot === undefined || !owns(request.caller, snapshot)) {
    throw fault(pointer, 'names a job that does not exist or was deleted');
  }
  const { outputs } = snapshot.record;
  const byIndex = /^\d{1,4}$/.test(output) ? outputs[Number(output)] : undefined;
  const chosen = outputs.find(({ name }) => name === output) ?? byIndex;
  const content = chosen && (await deps.frames.open(chosen.file));
  if (chosen === undefined || content === undefined) throw fault(pointer, 'names an output that the job does not have');
  const { caller, holds, signal } = request;
  const about = { caller, filename: chosen.filename, pointer, isSent: false, holds, signal };
  try {
    return { ...inputFile(await keepFile(deps, content, about)), source: chosen.file };
  } finally {
    // keepFile may throw before it reads.
    content.destroy();
  }
}

/** Fetches the file at a URL and stores it. Throws url_not_allowed, url_unreachable, and what keepFile throws. */
async function fetchFile(
  deps: Deps,
  url: string,
  about: Pick<KeepFileOptions, 'caller' | 'holds' | 'pointer' | 'signal'>,
): Promise<AssetFile> {
  const { config, fetching, pictureHttp } = deps;
  const { caller, pointer, signal } = about;
  await deps.requireSpace();
  const filename = URL.canParse(url) ? new URL(url).pathname.split('/').at(-1) : undefined;
  const options = { ...about, filename, isSent: true };
  const { maxBytes } = config.assets;
  try {
    const asked = { maxBytes, timeoutMs: URL_TIMEOUT_MS, accept: '*/*', signal };
    const fetch = () => pictureHttp.stream(url, asked, (content) => keepFile(deps, content, options));
    return await fetching(caller.id, fetch, { signal });
  } catch (error) {
    throw aboutUrl(error, pointer);
  }
}

function inputFile({ name, kind, bytes, width, height }: AssetFile): InputFile {
  return { name, kind, bytes, ...(width === undefined || height === undefined ? {} : { width, height }) };
}
