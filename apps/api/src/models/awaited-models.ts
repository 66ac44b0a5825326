import {
  type InstanceAbilities,
  isoTime,
  MODEL_FAULTS,
  type ModelCopy,
  type ModelFolder,
  modelId,
  type WaitingFor,
} from '@comfy-fleet/contracts';
import type { FolderCopies } from '@comfy-fleet/jobs';
import { type Lack, modelKindAt } from '@comfy-fleet/workflows';
import type { KeyOffers } from './offers.js';

interface Known extends Pick<KeyOffers, 'records'> {
  readonly pool: string;
  readonly folders: readonly FolderCopies[];
  /** What the instances of the pool offer. */
  readonly abilities: readonly InstanceAbilities[];
}

/** What a job waits for when instances lack nothing but models that hosts can fetch. */
export function awaitedModels(lacks: readonly Lack[], { records, pool, folders, abilities }: Known): WaitingFor {
  const found = lacks.flatMap((lack) => {
    if (lack.input === undefined) return [];
    const kind = abilities
      .map((instance) => modelKindAt(lack.className, lack.input, instance.abilities))
      .find((one) => one !== undefined);
    return kind === undefined ? [] : [{ kind, name: lack.value }];
  });
  const models = [...new Map(found.map((model) => [modelId(model), model]))].map(([id, { kind, name }]) => {
    const copies = folders.flatMap(({ folder, copies: all }) => {
      const copy = all.get(id);
      return copy === undefined || !folder.pools.includes(pool) ? [] : [{ folder, copy }];
    });
    const best = copies.sort((one, other) => rank(other.copy) - rank(one.copy))[0];
    return {
      detail: `${id} ${stateOf(best?.copy)}`,
      shown: {
        kind,
        name,
        bytes: records.get(id)?.bytes ?? (best?.copy.bytes || null),
        fetched: best?.copy.fetched ?? 0,
        eta_seconds: best === undefined ? null : fetchEta(best.copy, best.folder),
      },
    };
  });
  return {
    code: 'models',
    detail: `Models are missing: ${models.map(({ detail }) => detail).join('; ')}.`,
    models: models.map(({ shown }) => shown),
  };
}

/** The higher, the sooner instances have the model. */
function rank({ state, fetched }: ModelCopy): number {
  return state === 'failed' ? -1 : state === 'fetching' ? fetched : Number.MAX_SAFE_INTEGER;
}

function stateOf(copy: ModelCopy | undefined): string {
  if (copy === undefined) return 'waits until a host fetches it';
  if (copy.state === 'fetching') return 'is being fetched';
  if (copy.error === undefined) return 'has been fetched, and the instances are about to list it';
  const { code, retry_at } = copy.error;
  const again = retry_at === undefined ? '' : `, which is tried again at ${isoTime(retry_at)}`;
  return `cannot be used${again}: ${MODEL_FAULTS[code].replace(/\.$/, '')}`;
}

/** Shorter fetches do not tell how fast they are. */
const TELLING_MS = 2000;

/** In how many seconds the fetch is expected to end; null if it is not fetched or not known. */
export function fetchEta(
  { state, bytes, fetched, started_at, arrived = 0 }: ModelCopy,
  { bytes_per_second }: Pick<ModelFolder, 'bytes_per_second'>,
): number | null {
  if (state !== 'fetching' || bytes === 0) return null;
  const ms = started_at === undefined ? 0 : Date.now() - started_at;
  const perSecond = ms >= TELLING_MS && arrived > 0 ? (arrived / ms) * 1000 : bytes_per_second;
  return perSecond === 0 ? null : Math.max(1, Math.ceil((bytes - fetched) / perSecond));
}
