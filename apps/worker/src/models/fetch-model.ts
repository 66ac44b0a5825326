import type { ModelFaultCode, ModelRecord } from '@comfy-fleet/contracts';
import type { Models } from '@comfy-fleet/jobs';
import type { SafeHttp } from '@comfy-fleet/safe-http';
import type { Logger } from '@comfy-fleet/telemetry';
import { checkFile, checkName, sha256Of } from './check-file.js';
import type { Credentials } from './credentials.js';
import { type DownloadRules, download, type Progress } from './download.js';
import { faultOf, ModelFault } from './faults.js';
import type { FolderOnDisk } from './folder.js';
import { type PartPaths, removePart } from './part-file.js';
import { type Location, locate, type ModelHosts } from './sources.js';

export interface FetchOptions {
  readonly folder: FolderOnDisk;
  readonly registry: Pick<Models, 'pin'>;
  readonly http: SafeHttp;
  readonly credentials: Credentials;
  readonly hosts: ModelHosts;
  readonly rules: DownloadRules;
  readonly allowPickle: boolean;
  /** Largest file from a URL of a caller. */
  readonly maxUrlBytes: number;
  readonly log: Logger;
}

export interface Fetch {
  /** Other hosts that have the model; tried before its sources. */
  readonly peers: readonly Location[];
  readonly onProgress: (progress: Progress) => void;
  readonly signal: AbortSignal;
}

/** After these a later fetch may continue with what was downloaded. */
const RESUMABLE: ReadonlySet<ModelFaultCode> = new Set([
  'not_reachable',
  'refused_by_source',
  'source_failed',
  'no_credentials',
  'address_not_allowed',
  'truncated',
  'no_space',
]);

/**
 * Fetches a model, verifies it, and makes it visible: from other hosts if they have it, else from its sources in order.
 * Throws a ModelFault, whose code is that of the first source, or the signal's reason.
 */
export async function fetchModel(record: ModelRecord, fetch: Fetch, options: FetchOptions): Promise<void> {
  const { folder, log } = options;
  const { kind, name: model } = record;
  const faults: ModelFault[] = [];
  const attempt = async (source: string, find: () => Promise<Location>) => {
    try {
      await fetchFrom(source, find, record, fetch, options);
      return undefined;
    } catch (error) {
      fetch.signal.throwIfAborted();
      const fault = faultOf(error);
      log.debug('could not fetch a model from a source', { kind, model, reason: fault.detail });
      return fault;
    }
  };
  try {
    checkName(record.name, options.allowPickle);
    for (const peer of fetch.peers) if ((await attempt(peer.url, async () => peer)) === undefined) return;
    for (const source of record.sources) {
      const fault = await attempt(source, () => find(source, record, fetch, options));
      if (fault === undefined) return;
      faults.push(fault);
      // No other source would need less space.
      if (fault.code === 'no_space' || fault.code === 'disk_failed') throw fault;
    }
    throw summaryOf(faults);
  } finally {
    const last = faults.at(-1);
    await folder.release(record, {
      keepPart: fetch.signal.aborted || (last !== undefined && RESUMABLE.has(last.code)),
    });
  }
}

function find(source: string, record: ModelRecord, { signal }: Fetch, options: FetchOptions): Promise<Location> {
  const { http, hosts, rules } = options;
  // A caller must not fetch with the operator's credentials what only the operator may have.
  const credentials = record.by_url ? options.credentials.forCallers() : options.credentials;
  return locate(source, { http, credentials, hosts, idleMs: rules.idleMs, sha256: record.sha256, signal });
}

async function fetchFrom(
  source: string,
  find: () => Promise<Location>,
  record: ModelRecord,
  { onProgress, signal }: Fetch,
  options: FetchOptions,
): Promise<void> {
  const { folder, registry, rules } = options;
  const paths = await folder.part(record);
  if (record.bytes !== null) await folder.reserve(record, record.bytes);
  for (let isResumable = true; ; isResumable = false) {
    const { bytes, sha256, isResumed } = await download({
      locate: find,
      source,
      id: `${record.kind}/${record.name}`,
      paths,
      expected: record,
      maxBytes: record.by_url ? Math.min(options.maxUrlBytes, folder.maxBytes) : folder.maxBytes,
      reserve: (size) => folder.reserve(record, size),
      onProgress: (progress) => {
        folder.written(record, progress.fetched);
        onProgress(progress);
      },
      rules,
      signal,
    });
    try {
      const found = await verify(paths, record, sha256, options, signal);
      await pin(registry, record, { sha256: found, bytes });
      signal.throwIfAborted();
      return await folder.place(record, { sha256: found, bytes });
    } catch (error) {
      if (signal.aborted) throw error;
      await removePart(paths);
      // The wrong bytes may have come from another source.
      if (!isResumed || !isResumable) throw error;
    }
  }
}

/** Checks the content of a whole file, and answers its hash. */
async function verify(
  paths: PartPaths,
  record: ModelRecord,
  claimed: string | null,
  { allowPickle }: FetchOptions,
  signal: AbortSignal,
): Promise<string> {
  await checkFile(paths.data, record.name, allowPickle);
  const found = await sha256Of(paths.data, signal);
  if (record.sha256 !== null && found !== record.sha256) throw wrongHash(found, `${record.sha256} is registered`);
  if (claimed !== null && found !== claimed) throw wrongHash(found, `its source says ${claimed}`);
  return found;
}

async function pin(
  registry: FetchOptions['registry'],
  record: ModelRecord,
  found: { readonly sha256: string; readonly bytes: number },
): Promise<void> {
  const kept = await registry.pin(record, found);
  if (kept === undefined) throw new ModelFault('not_reachable', 'The model is not registered any more.');
  if (kept.sha256 !== found.sha256) throw wrongHash(found.sha256, `${kept.sha256} is registered`);
  if (kept.bytes !== found.bytes) {
    throw new ModelFault('wrong_size', `The file has ${found.bytes} bytes, but ${kept.bytes} are registered.`);
  }
}

/** Why a file that was fetched earlier is not the model any more. */
export async function faultOfFile(
  path: string,
  { sha256 }: ModelRecord,
  signal: AbortSignal,
): Promise<ModelFault | undefined> {
  try {
    const found = await sha256Of(path, signal);
    return sha256 === null || found === sha256 ? undefined : wrongHash(found, `${sha256} is registered`);
  } catch (error) {
    return faultOf(error);
  }
}

function wrongHash(found: string, other: string): ModelFault {
  return new ModelFault('wrong_hash', `The file has the SHA-256 ${found}, but ${other}.`);
}

/** The fault of the first source, with what the others said. */
function summaryOf(faults: readonly ModelFault[]): ModelFault {
  const [first, ...others] = faults;
  if (first === undefined) return new ModelFault('not_reachable', 'The model has no source.');
  if (others.length === 0) return first;
  const waits = faults.map(({ retryAfterMs }) => retryAfterMs);
  const retryAfterMs = waits.every((ms) => ms !== undefined) ? Math.min(...waits) : undefined;
  const detail = faults.map((fault, index) => `Source ${index + 1}: ${fault.detail}`).join(' ');
  return new ModelFault(first.code, detail, { retryAfterMs, bytes: first.bytes, cause: first });
}
