import { hash } from 'node:crypto';
import { type InstanceAbilities, MODEL_URL_FOLDER, type ModelKind, type ModelRecord } from '@comfy-fleet/contracts';
import type { FleetOverview, FolderCopies, Ledger, ModelRecords } from '@comfy-fleet/jobs';
import {
  type Catalogue,
  type ChoosableModels,
  CORE_LOADERS,
  choicesOfAll,
  kindsOfInputs,
  offeredAbilities,
  offeredCatalogue,
  offeredClass,
} from '@comfy-fleet/workflows';
import { LRUCache } from 'lru-cache';
import { anonymousCaller, type Caller } from '../server/gate.js';

/** An API key that uses models; undefined: somebody without one. */
export type ModelUser = Pick<Caller, 'id' | 'scopes'> | undefined;

/** Whether the key may use files of the model. If not, the model does not exist for the key. */
function mayUse({ keys, by_url, deleted_at }: ModelRecord, user: ModelUser): boolean {
  if (keys === null) return true;
  if (user === undefined || deleted_at !== undefined) return false;
  return keys.includes(user.id) || (user.scopes.includes('admin') && !by_url);
}

/**
 * What instances offer to API keys. Whatever a key may see or use of their models passes through here; only routes for
 * operators read Ledger.fleet directly.
 */
export interface Offers {
  to(user: ModelUser): Promise<KeyOffers>;
  /** To the key of a job. */
  toKey(id: string): Promise<KeyOffers>;
}

/** What instances offer to one key. Models that the key may not use are left out everywhere. */
export interface KeyOffers {
  /** The registered models, by `<kind>/<name>`. */
  readonly records: ModelRecords;
  /** Equal as long as `everything` adds and leaves out the same models. */
  revision(pool: string): Promise<string>;
  /** Whether a model file does not exist for the key; `kind` is undefined where a loader does not tell it. */
  readonly hides: ChoosableModels['hides'];
  /** The kinds with models that only some keys may use; the same for every key. */
  readonly limitedKinds: ReadonlySet<ModelKind>;
  /** What each instance of a pool has. */
  abilities(pool: string, classes: readonly string[]): Promise<readonly InstanceAbilities[]>;
  /** The same, as if each had the registered models too, if hosts of the pool can fetch them. */
  choosable(pool: string, classes: readonly string[]): Promise<readonly InstanceAbilities[]>;
  /** How the instances of a pool together describe these classes, with registered models as in `choosable`. */
  catalogue(pool: string, classes: readonly string[]): Promise<Catalogue | undefined>;
  /** The same for all classes, one after the other. */
  everything(pool: string): AsyncIterable<readonly [name: string, description: unknown]>;
}

interface OfferDeps {
  readonly ledger: {
    readonly fleet: Pick<Ledger['fleet'], 'abilities' | 'catalogue' | 'everything'>;
    readonly models: Pick<Ledger['models'], 'listWithDeleted'>;
  };
  readonly fleet: {
    current(): Promise<Pick<FleetOverview, 'workers'> | undefined>;
    folders(): Promise<readonly FolderCopies[]>;
  };
  readonly keys: { byId(id: string): ModelUser } | undefined;
}

/** Most workers announce their folders within a second of their start. */
const FOLDER_MS = 30_000;

/** For how many keys offers are cached. */
const MOST_KEYS = 200;

export function createOffers({ ledger: { fleet, models }, fleet: view, keys }: OfferDeps): Offers {
  const asTheyAre: KeyOffers = {
    records: new Map(),
    revision: async () => '',
    hides: () => false,
    limitedKinds: new Set(),
    abilities: fleet.abilities,
    choosable: fleet.abilities,
    catalogue: fleet.catalogue,
    everything: fleet.everything,
  };
  let last = index(new Map());

  /** Until a worker has run for a while, its pool counts as one with a folder, which is announced later than the worker. */
  const canFetch = async (pool: string) => {
    const folders = await view.folders();
    if (folders.some(({ folder }) => folder.pools.includes(pool))) return true;
    const { workers = [] } = (await view.current()) ?? {};
    const hasRun = workers.filter(({ seenAt, startedAt }) => seenAt - startedAt > FOLDER_MS);
    return !hasRun.some(({ pools }) => pools.includes(pool));
  };
  const to = async (user: ModelUser) => {
    const records = await models.listWithDeleted();
    if (records.size === 0) return asTheyAre;
    if (last.records !== records) last = index(records);
    const id = JSON.stringify([user?.id, user?.scopes.includes('admin')]);
    const made = last.offers.get(id) ?? offersTo(user, last, { fleet, canFetch });
    last.offers.set(id, made);
    return made;
  };
  return {
    to,
    toKey: (id) => to(keys === undefined ? anonymousCaller : (keys.byId(id) ?? { id, scopes: [] })),
  };
}

/** The registered models by name, and what was made of them for keys. */
function index(records: ModelRecords) {
  const byName = new Map<string, ModelRecord[]>();
  for (const record of records.values()) push(byName, record.name, record);
  const limited = [...records.values()].filter(({ keys, by_url }) => keys !== null && !by_url);
  const limitedKinds = new Set(limited.map(({ kind }) => kind));
  return { records, byName, limitedKinds, offers: new LRUCache<string, KeyOffers>({ max: MOST_KEYS }) };
}

function push<K, V>(lists: Map<K, V[]>, key: K, value: V): void {
  const list = lists.get(key);
  if (list === undefined) lists.set(key, [value]);
  else list.push(value);
}

interface Sources {
  readonly fleet: OfferDeps['ledger']['fleet'];
  readonly canFetch: (pool: string) => Promise<boolean>;
}

function offersTo(
  user: ModelUser,
  { records, byName, limitedKinds }: Omit<ReturnType<typeof index>, 'offers'>,
  { fleet, canFetch }: Sources,
): KeyOffers {
  const isUsable = (record: ModelRecord) => record.deleted_at === undefined && mayUse(record, user);
  const usable = new Map([...records].filter(([, record]) => isUsable(record)));
  const namesByKind = new Map<ModelKind, string[]>();
  for (const { kind, name } of usable.values()) push(namesByKind, kind, name);
  const hides = (kind: ModelKind | undefined, name: string) => {
    const known = (byName.get(name) ?? []).filter((record) => kind === undefined || record.kind === kind);
    // Once the model of a caller's URL is not registered any more, no key may use its file.
    return known.length === 0 ? name.startsWith(MODEL_URL_FOLDER) : known.some((record) => !mayUse(record, user));
  };
  const bare: ChoosableModels = { hides, adds: () => [] };
  const full: ChoosableModels = { hides, adds: (kind) => namesByKind.get(kind) ?? [] };
  const choosableIn = async (pool: string) => ((await canFetch(pool)) ? full : bare);
  const withCore = (classes: readonly string[]) => [...new Set([...classes, ...CORE_LOADERS])].sort();
  let digest: string | undefined;
  const abilitiesOf = cached(offeredAbilities);
  const catalogueOf = cached(offeredCatalogue);
  const read = async (pool: string, classes: readonly string[], models: ChoosableModels) => {
    const known = await fleet.abilities(pool, withCore(classes));
    return known.map((one) => ({ ...one, abilities: abilitiesOf(one.abilities, models) }));
  };
  return {
    records: usable,
    revision: async (pool) => {
      digest ??= hash('sha1', JSON.stringify([...records.keys()].map((id) => [id, usable.has(id)])));
      return `${digest} ${await canFetch(pool)}`;
    },
    hides,
    limitedKinds,
    abilities: (pool, classes) => read(pool, classes, bare),
    choosable: async (pool, classes) => read(pool, classes, await choosableIn(pool)),
    catalogue: async (pool, classes) => {
      const described = await fleet.catalogue(pool, withCore(classes));
      return described && catalogueOf(described, await choosableIn(pool));
    },
    everything: async function* (pool) {
      const models = await choosableIn(pool);
      const kindOf = kindsOfInputs(choicesOfAll((await fleet.catalogue(pool, CORE_LOADERS)) ?? {}));
      for await (const [name, described] of fleet.everything(pool))
        yield [name, offeredClass(name, described, { kindOf, models })] as const;
    },
  };
}

/** Caches results per object and models, since neither changes. */
function cached<T extends object>(make: (of: T, models: ChoosableModels) => T) {
  const made = new WeakMap<ChoosableModels, WeakMap<T, T>>();
  return (of: T, models: ChoosableModels): T => {
    const known = made.get(models) ?? new WeakMap<T, T>();
    made.set(models, known);
    const found = known.get(of) ?? make(of, models);
    known.set(of, found);
    return found;
  };
}
