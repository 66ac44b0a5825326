import type { ModelCopy, ModelFolder } from '@comfy-fleet/contracts';
import type { FolderCopies } from './folders.js';
import type { ModelRecords } from './registry.js';

/** Waiting jobs of a key that need the same models. */
export interface WantedModels {
  readonly pool: string;
  readonly key: string;
  /** Ids of the registered models that they need. */
  readonly models: readonly string[];
  /** How many such jobs wait. */
  readonly waiting: number;
  /** Expected GPU time of each, in ms. */
  readonly expectedMs: number;
  /** When the first of them was created, in ms since 1970. */
  readonly since: number;
}

/** A model folder and what is known about the demand for models. Times are in ms since 1970. */
export interface FetchView {
  readonly folder: ModelFolder;
  readonly copies: ReadonlyMap<string, ModelCopy>;
  /** The folders of other hosts. */
  readonly others: readonly FolderCopies[];
  readonly records: ModelRecords;
  /** In the order of service. */
  readonly wanted: readonly WantedModels[];
  /** Models that its instances need for their warm-up, and so always. */
  readonly kept: ReadonlySet<string>;
  /** Models of the jobs that the folder's instances hold. */
  readonly inUse: ReadonlySet<string>;
  /** How many bytes may be reserved before something is evicted. */
  readonly room: number;
  /** How long an instance loads a model, in ms. */
  readonly loadMs: (id: string) => number;
  /** When a wanted model was last evicted for one that had been wanted for too long. */
  readonly forcedAt: number | undefined;
  /** MODEL_PATIENCE_SECONDS, in ms. */
  readonly patienceMs: number;
  readonly now: number;
}

export interface FetchPlan {
  /** A model for which others are evicted is fetched by the plan after that. */
  readonly evict: readonly string[];
  /** `rivals`: the other folders of the same pools; at most `most` of them may have the model when the fetch begins. */
  readonly fetch: readonly { readonly id: string; readonly most: number; readonly rivals: readonly string[] }[];
  /** Models that are wanted although nothing can be evicted for them. */
  readonly noSpace: readonly string[];
  /** Models whose fetch failed and that nothing wants any more. */
  readonly forget: readonly string[];
  /** Models of callers' URLs, and unregistered ones, that are being fetched although nothing wants them any more. */
  readonly abandon: readonly string[];
  /** A wanted model is evicted for one that has been wanted for too long. */
  readonly forced: boolean;
}

const MOST_FETCHES = 2;
/** Of these, models that callers named by a URL: their sources may be slow on purpose. */
const MOST_URL_FETCHES = 1;
/** How long a request to fetch a model holds. */
const ASKED_MS = 3_600_000;
/** Assumed until it was measured. */
const BYTES_PER_SECOND = 50_000_000;
/** A model that was wanted for this many times as long as its fetch takes is fetched even if that evicts a wanted one. */
const FORCE_FACTOR = 10;

const BLOCK = 4096;

/** What the waiting jobs of a key want of a model. */
interface KeyWant {
  readonly since: number;
  readonly jobs: number;
  readonly workMs: number;
}

interface Want {
  readonly id: string;
  /** Its place in the order of service. */
  readonly order: number;
  /** The key of the first job. */
  readonly key: string;
  readonly byKey: ReadonlyMap<string, KeyWant>;
}

/** What is derived from the view once for a plan. */
interface Plan {
  readonly view: FetchView;
  /** In the order of service. */
  readonly wants: ReadonlyMap<string, Want>;
  readonly entitled: ReadonlySet<string>;
  readonly evict: Set<string>;
  /** The other folders of the same pools that have a model, or fetch it. */
  holdersOf(id: string): readonly FolderCopies[];
  /** How much work each instance of a folder has with waiting jobs of a key, in ms. */
  workOf(key: string, folder: FolderCopies): number;
}

/** Chooses what to fetch into a model folder, and what to evict for that. The rules are in docs/architecture/scheduling.md. */
export function chooseFetches(view: FetchView): FetchPlan {
  const { copies, records, inUse } = view;
  const wants = wantsOf(view);
  const isUnregistered = (id: string, { state, is_ours }: ModelCopy) =>
    is_ours && state === 'ready' && !records.has(id) && !inUse.has(id);
  const unregistered = [...copies].filter(([id, copy]) => isUnregistered(id, copy)).map(([id]) => id);
  const plan: Plan = {
    view,
    wants,
    entitled: entitledModels(wants, view),
    evict: new Set(unregistered),
    ...holdings(view, wants),
  };
  const evicting = [...copies].filter(([, { state }]) => state === 'evicting').map(([id]) => id);
  // What there is now, and what there will be once the evicted files are deleted.
  let room = view.room;
  let roomSoon = view.room + bytesOfAll([...evicting, ...unregistered], view);
  let forced = false;
  const fetch: FetchPlan['fetch'][number][] = [];
  const rivals = rivalsOf(view).map(({ folder: { id } }) => id);
  const noSpace: string[] = [];

  const running = [...copies].filter(([, { state }]) => state === 'fetching').map(([id]) => id);
  // A caller's URL belongs to its key, even if none of its jobs waits any more.
  const keyOf = (id: string) => ownerOf(id, view) ?? wants.get(id)?.key;
  const busyKeys = new Set(running.flatMap((id) => keyOf(id) ?? []));
  let count = running.length;
  let urls = running.filter((id) => ownerOf(id, view) !== undefined).length;
  let isAhead = false;
  for (const id of candidatesOf(plan)) {
    const want = wants.get(id);
    const bytes = bytesOf(id, view);
    // One at a time of each key, so that none has to wait for all files of another. Space is made for the next one.
    const key = keyOf(id);
    const isUrl = ownerOf(id, view) !== undefined;
    const isKeyBusy = key !== undefined && busyKeys.has(key);
    const isLater = count >= MOST_FETCHES || isKeyBusy || (isUrl && urls >= MOST_URL_FETCHES);
    if (isLater && isAhead) continue;
    isAhead ||= isLater;
    const mayForce = want !== undefined && !isLater && !forced && isOverdue(want, view);
    const isFree = victimsFor(id, bytes - roomSoon, plan, false);
    const victims = isFree ?? (mayForce ? victimsFor(id, bytes - roomSoon, plan, true) : undefined);
    if (victims === undefined) {
      if (!isLater) noSpace.push(id);
      continue;
    }
    forced ||= isFree === undefined;
    for (const victim of victims) plan.evict.add(victim);
    roomSoon += bytesOfAll(victims, view) - bytes;
    if (isLater) continue;
    if (key !== undefined) busyKeys.add(key);
    if (isUrl) urls += 1;
    count += 1;
    // Otherwise a later plan fetches it, when files have been deleted.
    if (bytes > room) continue;
    room -= bytes;
    fetch.push({ id, most: plan.holdersOf(id).length, rivals });
  }
  const unwanted = unwantedCopies(view);
  const forget = unwanted.filter((id) => copies.get(id)?.state === 'failed');
  // Models of operators are worth having even if the job that wanted them was canceled.
  const mayAbandon = (id: string) => !records.has(id) || ownerOf(id, view) !== undefined;
  const abandon = unwanted.filter((id) => copies.get(id)?.state === 'fetching' && mayAbandon(id));
  return { evict: [...plan.evict], fetch, noSpace, forget, abandon, forced };
}

/** The wanted models that can be had. */
function wantsOf({ wanted, folder, copies, now }: FetchView): ReadonlyMap<string, Want> {
  const wants = new Map<string, Want & { readonly byKey: Map<string, KeyWant> }>();
  for (const { pool, key, models, waiting, expectedMs, since } of wanted) {
    // A job that lacks a model which cannot be fetched now needs none of its other models either.
    if (!folder.pools.includes(pool) || models.some((id) => isFailing(copies.get(id), now))) continue;
    for (const id of models) {
      const want = wants.get(id) ?? { id, order: wants.size, key, byKey: new Map() };
      const before = want.byKey.get(key) ?? { since, jobs: 0, workMs: 0 };
      want.byKey.set(key, {
        since: Math.min(before.since, since),
        jobs: before.jobs + waiting,
        workMs: before.workMs + waiting * expectedMs,
      });
      wants.set(id, want);
    }
  }
  return wants;
}

function unwantedCopies(view: FetchView): string[] {
  const wanted = new Set(view.wanted.flatMap(({ models }) => models));
  const isWanted = (id: string) => view.records.has(id) && (wanted.has(id) || isPinned(id, view) || isAsked(id, view));
  return [...view.copies.keys()].filter((id) => !isWanted(id));
}

/** The key that named the model by a URL; undefined for the models of operators. */
function ownerOf(id: string, { records }: FetchView): string | undefined {
  const record = records.get(id);
  return record?.by_url ? record.keys?.[0] : undefined;
}

/**
 * Whether all models from URLs of its key would take more than the key's share of the folder, no matter whether jobs
 * wait for them: a source can announce any size.
 */
function exceedsShare(id: string, { view, wants, evict }: Plan): boolean {
  const owner = ownerOf(id, view);
  if (owner === undefined) return false;
  const there = [...view.copies].filter(([other, { state }]) => state !== 'failed' && !evict.has(other));
  const owners = there.flatMap(([other]) => ownerOf(other, view) ?? []);
  const keys = new Set([owner, ...owners, ...[...wants.values()].flatMap(({ byKey }) => [...byKey.keys()])]);
  const own = there.map(([other]) => other).filter((other) => other !== id && ownerOf(other, view) === owner);
  return bytesOfAll(own, view) + bytesOf(id, view) > view.folder.max_bytes / keys.size;
}

function isFailing(copy: ModelCopy | undefined, now: number): boolean {
  return copy?.state === 'failed' && copy.error?.code !== 'no_space' && (copy.error?.retry_at ?? 0) > now;
}

/**
 * The wanted models that are not evicted for other keys: of each key the first ones, as far as they fit into its share
 * of the folder, and at least one.
 */
function entitledModels(wants: ReadonlyMap<string, Want>, view: FetchView): ReadonlySet<string> {
  const left = new Map<string, number>();
  const share = view.folder.max_bytes / new Set([...wants.values()].flatMap(({ byKey }) => [...byKey.keys()])).size;
  const entitled = new Set<string>();
  for (const { id, byKey } of wants.values()) {
    const bytes = bytesOf(id, view);
    for (const key of byKey.keys()) {
      const before = left.get(key);
      if (before === undefined || before >= bytes) entitled.add(id);
      left.set(key, (before ?? share) - bytes);
    }
  }
  return entitled;
}

/**
 * What could be fetched: pinned models, those that operators asked for, and wanted ones in the order of their keys. Of
 * each key those come first that no other host has.
 */
function candidatesOf(plan: Plan): ReadonlySet<string> {
  const { view, wants } = plan;
  const isMissing = (id: string) => {
    const copy = view.copies.get(id);
    return copy === undefined || (copy.state === 'failed' && !isFailing(copy, view.now));
  };
  const isFree = ({ id }: Want) => plan.holdersOf(id).length === 0;
  const missing = [...wants.values()].filter(({ id }) => isMissing(id));
  const inOrder = [...new Set(missing.map(({ key }) => key))].flatMap((key) => {
    const its = missing.filter((want) => want.key === key);
    return [...its.filter(isFree), ...its.filter((want) => !isFree(want) && isWorthFetchingToo(want, plan))];
  });
  const registered = [...view.records.keys()].filter(isMissing);
  const pinned = registered.filter((id) => isPinned(id, view));
  const asked = registered.filter((id) => isAsked(id, view));
  return new Set([...pinned, ...asked, ...inOrder.map(({ id }) => id)]);
}

function isPinned(id: string, { folder, records, kept }: FetchView): boolean {
  return kept.has(id) || records.get(id)?.pinned_in.some((pool) => folder.pools.includes(pool)) === true;
}

function isAsked(id: string, { folder, records, now }: FetchView): boolean {
  const record = records.get(id);
  if (record?.fetch_asked_at == null || now - record.fetch_asked_at > ASKED_MS) return false;
  return record.fetch_pools?.some((pool) => folder.pools.includes(pool)) ?? true;
}

/**
 * Whether a model that other hosts have is fetched as well: each of their instances has more work with it than the
 * fetch and loading take, and more work of its key than the instances here.
 */
function isWorthFetchingToo({ id, key, byKey }: Want, { view, holdersOf, workOf }: Plan): boolean {
  const holders = holdersOf(id);
  const instances = instancesOf(holders);
  const costMs = fetchMs(id, view) + view.loadMs(id);
  // The holders are busy too, so each counts as a job.
  const workMs = [...byKey.values()].reduce((sum, want) => sum + want.workMs * (1 + instances / want.jobs), 0);
  if (workMs / instances <= costMs) return false;
  return Math.min(...holders.map((holder) => workOf(key, holder))) > workOf(key, view) + costMs;
}

/** Both are computed once for each argument, because there may be a thousand wants and many folders. */
function holdings(view: FetchView, wants: ReadonlyMap<string, Want>): Pick<Plan, 'holdersOf' | 'workOf'> {
  const { copies } = view;
  const rivals = rivalsOf(view);
  const holdersOf = memoized((id: string) => rivals.filter((rival) => isHeld(rival.copies, id)));
  const shareOf = memoized((id: string) => {
    return 1 / instancesOf([...holdersOf(id), ...(isHeld(copies, id) ? [view] : [])]);
  });
  const worksOf = memoized((its: FolderCopies['copies']) => {
    const works = new Map<string, number>();
    for (const { id, byKey } of wants.values()) {
      if (!isHeld(its, id)) continue;
      for (const [key, { workMs }] of byKey) works.set(key, (works.get(key) ?? 0) + workMs * shareOf(id));
    }
    return works;
  });
  return { holdersOf, workOf: (key, { copies: its }) => worksOf(its).get(key) ?? 0 };
}

function rivalsOf({ folder, others }: FetchView): readonly FolderCopies[] {
  const sharesPool = (pools: readonly string[]) => pools.some((pool) => folder.pools.includes(pool));
  return others.filter((other) => other.folder.id !== folder.id && sharesPool(other.folder.pools));
}

function memoized<K, V>(compute: (key: K) => V): (key: K) => V {
  const known = new Map<K, V>();
  return (key) => {
    const value = known.has(key) ? (known.get(key) as V) : compute(key);
    known.set(key, value);
    return value;
  };
}

function instancesOf(folders: readonly Pick<FolderCopies, 'folder'>[]): number {
  return folders.reduce((sum, { folder }) => sum + Math.max(1, folder.instances.length), 0);
}

function isHeld(copies: FolderCopies['copies'], id: string): boolean {
  const state = copies.get(id)?.state;
  return state === 'ready' || state === 'fetching';
}

/**
 * Whether it has been wanted for so long that it may take the place of a wanted one. A folder does that at most once
 * per such time, so that it is not busy with fetching the same models again and again.
 */
function isOverdue({ id, byKey }: Want, view: FetchView): boolean {
  const { now, forcedAt = 0 } = view;
  const since = Math.min(...[...byKey.values()].map((want) => want.since));
  return now - Math.max(since, forcedAt) >= longestWaitMs(id, view);
}

function longestWaitMs(id: string, view: FetchView): number {
  return Math.max(view.patienceMs, FORCE_FACTOR * fetchMs(id, view));
}

/**
 * The models to evict so that so many bytes are free: unwanted ones, the least recently used first, then wanted ones,
 * the last to be used again first. For a caller's URL, models from URLs of the same key go first, and no others if they
 * take more than its share. Undefined if these are not enough.
 */
function victimsFor(id: string, bytes: number, plan: Plan, isForced: boolean): readonly string[] | undefined {
  const { view, wants, evict } = plan;
  const owner = ownerOf(id, view);
  const isOwn = (other: string) => owner !== undefined && ownerOf(other, view) === owner;
  const isOwnOnly = exceedsShare(id, plan);
  const evictable = [...view.copies].filter(([other, { state, is_ours }]) => {
    if (isOwnOnly && !isOwn(other)) return false;
    const isFree = state === 'ready' && is_ours && !evict.has(other) && !view.inUse.has(other);
    return isFree && !isPinned(other, view) && !isProtected(other, id, plan, isForced);
  });
  const orderOf = (other: string) => wants.get(other)?.order ?? Number.MAX_SAFE_INTEGER;
  const lastUse = ({ used_at, fetched_at = 0 }: ModelCopy) => Math.max(used_at, fetched_at);
  evictable.sort(
    ([a, one], [b, other]) =>
      orderOf(b) - orderOf(a) || Number(isOwn(b)) - Number(isOwn(a)) || lastUse(one) - lastUse(other),
  );
  const victims: string[] = [];
  let left = bytes;
  for (const [other, copy] of evictable) {
    if (left <= 0) break;
    victims.push(other);
    left -= onDisk(copy.bytes);
  }
  return left <= 0 ? victims : undefined;
}

/** Whether the model must stay although there is no space for `id`. */
function isProtected(other: string, id: string, { view, wants, entitled }: Plan, isForced: boolean): boolean {
  const [its, want] = [wants.get(other), wants.get(id)];
  if (its === undefined) return !isForced && isAsked(other, view);
  if (want === undefined) return true;
  const sameKeys = [...want.byKey].filter(([key]) => its.byKey.has(key));
  // Jobs of the same key that came before, or not long after, may be done first: a model is not fetched twice for that.
  const muchLater = longestWaitMs(id, view) / 2;
  if (isForced) return sameKeys.some(([key, { since }]) => (its.byKey.get(key)?.since ?? 0) <= since + muchLater);
  return sameKeys.length > 0 || entitled.has(other) || !entitled.has(id);
}

function fetchMs(id: string, view: FetchView): number {
  return (bytesOf(id, view) / (view.folder.bytes_per_second || BYTES_PER_SECOND)) * 1000;
}

/** As much as it takes on the disk; 0 while that is unknown. */
function bytesOf(id: string, { records, copies }: FetchView): number {
  return onDisk(records.get(id)?.bytes ?? copies.get(id)?.bytes ?? 0);
}

function bytesOfAll(ids: readonly string[], { copies }: FetchView): number {
  return ids.reduce((sum, id) => sum + onDisk(copies.get(id)?.bytes ?? 0), 0);
}

/** Disks store whole blocks. */
function onDisk(bytes: number): number {
  return Math.ceil(bytes / BLOCK) * BLOCK;
}
