import {
  isoTime,
  MODEL_FAULTS,
  type ModelAnswer,
  type ModelCopy,
  type ModelCopyAnswer,
  type ModelFolder,
  type ModelFolderAnswer,
  type ModelList,
  type ModelRecord,
  modelId,
} from '@comfy-fleet/contracts';
import type { FolderCopies } from '@comfy-fleet/jobs';
import type { Deps } from '../../deps.js';
import { fetchEta } from '../../models/awaited-models.js';
import type { Caller } from '../../server/gate.js';

/**
 * Presents models with what hosts have of them. Only operators see sources, keys, folders and workers, and how many jobs of
 * all keys wait.
 */
export async function presentModels(
  { ledger, fleet }: Deps,
  records: Iterable<ModelRecord>,
  { id, scopes }: Caller,
): Promise<ModelList> {
  const isOperator = scopes.includes('admin');
  const counting = ledger.fleet.waitingByModel(isOperator ? undefined : id);
  const [folders, jobs] = await Promise.all([fleet.folders(), counting]);
  const sorted = [...records].sort((one, other) => (modelId(one) < modelId(other) ? -1 : 1));
  return {
    data: sorted.map((record) => presentModel(record, { folders, jobs: jobs.get(record.name) ?? 0, isOperator })),
    folders: isOperator ? folders.map(({ folder }) => presentFolder(folder)) : [],
  };
}

interface Seen {
  readonly folders: readonly FolderCopies[];
  readonly jobs: number;
  readonly isOperator: boolean;
}

function presentModel(record: ModelRecord, { folders, jobs, isOperator }: Seen): ModelAnswer {
  const { kind, name, bytes, sha256, by_url, created_at, sources, keys, pinned_in } = record;
  const copies = folders.flatMap(({ folder, copies: known }) => {
    const copy = known.get(modelId(record));
    return copy === undefined ? [] : [{ folder, copy }];
  });
  // A copy that no job has used yet counts as used when it was fetched, so that it is not evicted at once.
  const uses = copies.map(({ copy: { used_at, fetched_at = 0 } }) => (used_at > fetched_at ? used_at : 0));
  const used = Math.max(0, ...uses);
  return {
    kind,
    name,
    bytes,
    sha256,
    by_url,
    created_at: isoTime(created_at),
    used_at: used === 0 ? null : isoTime(used),
    jobs_waiting: jobs,
    ...(isOperator ? { sources: [...sources], keys: keys && [...keys], pinned_in: [...pinned_in] } : {}),
    copies: copies.map(({ folder, copy }) => ({
      ...(isOperator ? { folder: folder.id, worker: folder.worker } : {}),
      ...presentCopy(copy, folder, isOperator),
    })),
  };
}

function presentCopy(copy: ModelCopy, folder: ModelFolder, isOperator: boolean): ModelCopyAnswer {
  const { state, bytes, fetched, is_ours, verified_at, error } = copy;
  return {
    instances: [...folder.instances],
    state,
    bytes,
    fetched,
    eta_seconds: fetchEta(copy, folder),
    is_ours,
    verified_at: verified_at === undefined ? null : isoTime(verified_at),
    error:
      error === undefined
        ? null
        : {
            code: error.code,
            // What happened may name the source.
            detail: isOperator ? error.detail : MODEL_FAULTS[error.code],
            at: isoTime(error.at),
          },
  };
}

function presentFolder({ seen_at, bytes_per_second, ...folder }: ModelFolder): ModelFolderAnswer {
  const { id, worker, instances, pools, max_bytes, used_bytes } = folder;
  return {
    id,
    worker,
    instances: [...instances],
    pools: [...pools],
    max_bytes,
    used_bytes,
    bytes_per_second: bytes_per_second === 0 ? null : bytes_per_second,
    seen_at: isoTime(seen_at),
  };
}
