import type { ModelCopy } from '@comfy-fleet/contracts';
import { inTurn } from '../record/indexes.js';
import { entitledModels, isOverdue, type Plan, victimsFor } from './choose-victims.js';
import {
  bytesOf,
  bytesOfAll,
  type FetchPlan,
  type FetchView,
  FORCE_FACTOR,
  fetchMs,
  isAsked,
  isFailing,
  isPinned,
  ownerOf,
  TURN_MS,
  type Want,
  wantsOf,
} from './fetch-view.js';
import type { FolderCopies } from './folders.js';

/** At the same time in a folder. */
export const MOST_FETCHES = 2;
/**
 * When another URL waits, a fetch from a caller's URL that is slower than LEAST_SPEED (bytes per second) makes room after
 * SLOW_TURN_MS.
 */
const SLOW_TURN_MS = 10_000;
const LEAST_SPEED = 1024 ** 2;
/** For how long others' models are not evicted for URLs of a key after that was in vain. */
const OWED_MS = 3_600_000;

interface FetchPlanning extends Plan {
  /** The other folders of the same pools that have a model, or fetch it. */
  holdersOf(id: string): readonly FolderCopies[];
  /** How much work each instance of a folder has with waiting jobs of a key, in ms. */
  workOf(key: string, folder: FolderCopies): number;
}

/** Chooses what to fetch into a model folder, and what to evict for that. The rules are in docs/architecture/scheduling.md. */
export function chooseFetches(view: FetchView): FetchPlan {
  const { copies, memory, now } = view;
  const wants = wantsOf(view);
  const isOwed = ({ id, at }: { readonly id: string; readonly at: number }) =>
    copies.get(id)?.state !== 'ready' && now - at < OWED_MS;
  const plan: FetchPlanning = {
    view,
    wants,
    entitled: entitledModels(wants, view),
    evict: new Set(),
    owed: new Map([...memory.owed].filter(([, what]) => isOwed(what))),
    ...holdings(view, wants),
  };
  const inUse = new Set(view.held.flatMap(({ models }) => models));
  const evicting = [...copies].filter(([, { state }]) => state === 'evicting').map(([id]) => id);
  // What there is now, and what there will be once the evicted files are deleted.
  let room = view.room;
  let roomSoon = view.room + bytesOfAll(evicting, view);
  let forced = false;
  const fetch: FetchPlan['fetch'][number][] = [];
  const rivals = rivalsOf(view).map(({ folder: { id } }) => id);
  const noSpace: string[] = [];

  const running = [...copies].filter(([, { state }]) => state === 'fetching').map(([id]) => id);
  const late = running.filter((id) => hasHadItsTurn(id, view));
  const taken = running.filter((id) => !late.includes(id));
  let isWaitedFor = false;
  let isAhead = false;
  for (const id of candidatesOf(plan)) {
    const want = wants.get(id);
    const bytes = bytesOf(id, view);
    const isLater = !hasPlace(id, taken, plan);
    // Space is made for the next one.
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
    const owner = ownerOf(id, view);
    const isOfOthers = victims.some((victim) => ownerOf(victim, view) !== owner);
    if (owner !== undefined && isOfOthers && !plan.owed.has(owner)) plan.owed.set(owner, { id, at: now });
    roomSoon += bytesOfAll(victims, view) - bytes;
    // A job may take long, so no place is kept for what waits until one has ended.
    if (isLater || (bytes > room && [...evicting, ...plan.evict].some((other) => inUse.has(other)))) continue;
    isWaitedFor ||= !hasPlace(id, [...late, ...taken], plan);
    taken.push(id);
    // Otherwise a later plan fetches it, when files have been deleted.
    if (bytes > room) continue;
    room -= bytes;
    fetch.push({ id, most: plan.holdersOf(id).length, rivals });
  }
  return {
    ...{ evict: [...plan.evict], fetch, noSpace, drop: unwantedCopies(view), giveUp: isWaitedFor ? late : [] },
    memory: {
      forcedAt: forced ? now : memory.forcedAt,
      begun: new Map([
        ...memory.begun,
        ...fetch.flatMap(({ id }) => keysOf(id, plan).map((key) => [key, { id, at: now }] as const)),
      ]),
      owed: plan.owed,
    },
  };
}

/** The keys that a model is for, even if no job of theirs waits for it since its fetch began. */
function keysOf(id: string, { view, wants }: Plan): readonly string[] {
  const owner = ownerOf(id, view);
  if (owner !== undefined) return [owner];
  const begunFor = [...view.memory.begun].filter(([, last]) => last.id === id).map(([key]) => key);
  return [...(wants.get(id)?.byKey.keys() ?? []), ...begunFor];
}

/** One at a time of each key, so that none has to wait for all files of another, and one URL. */
function hasPlace(id: string, taken: readonly string[], plan: Plan): boolean {
  const isUrl = (one: string) => ownerOf(one, plan.view) !== undefined;
  if (taken.length >= MOST_FETCHES || (isUrl(id) && taken.some(isUrl))) return false;
  const [keys, busyKeys] = [keysOf(id, plan), taken.flatMap((other) => keysOf(other, plan))];
  return keys.length === 0 || keys.some((key) => !busyKeys.includes(key));
}

/** Whether a fetch has taken so long that it ends if others wait for its place. Its unfinished file is kept. */
function hasHadItsTurn(id: string, view: FetchView): boolean {
  const { started_at: startedAt = view.now, arrived = 0 } = view.copies.get(id) ?? {};
  const tookMs = view.now - startedAt;
  if (ownerOf(id, view) === undefined) return tookMs > Math.max(TURN_MS, FORCE_FACTOR * fetchMs(id, view));
  const isSlow = arrived < (LEAST_SPEED * tookMs) / 1000;
  return tookMs > (isSlow ? SLOW_TURN_MS : TURN_MS);
}

/** What failed or is being fetched although nothing wants it any more. */
function unwantedCopies(view: FetchView): string[] {
  const wanted = new Set(view.wanted.flatMap(({ models }) => models));
  const isWanted = (id: string) => view.records.has(id) && (wanted.has(id) || isPinned(id, view) || isAsked(id, view));
  // Models of operators are worth having even if the job that wanted them was canceled.
  const mayEnd = (id: string) => !view.records.has(id) || ownerOf(id, view) !== undefined;
  const isDropped = (id: string, { state }: ModelCopy) => state === 'failed' || (state === 'fetching' && mayEnd(id));
  return [...view.copies].filter(([id, copy]) => isDropped(id, copy) && !isWanted(id)).map(([id]) => id);
}

/**
 * What could be fetched: pinned models, those that operators asked for, and then the first model that each key wants, the
 * second one of each, and so on, within the shares of the keys first. Keys take turns, whether or not their jobs run in
 * the end. Of each key those come first that no other host has.
 */
function candidatesOf(plan: FetchPlanning): ReadonlySet<string> {
  const { view, wants } = plan;
  const isMissing = (id: string) => {
    const copy = view.copies.get(id);
    return copy === undefined || (copy.state === 'failed' && !isFailing(copy, view.now));
  };
  const isFree = ({ id }: Want) => plan.holdersOf(id).length === 0;
  const missing = [...wants.values()].filter(({ id }) => isMissing(id));
  const lastTurn = (key: string) => view.memory.begun.get(key)?.at ?? 0;
  const keys = [...new Set(view.wanted.map(({ key }) => key))].sort((one, other) => lastTurn(one) - lastTurn(other));
  const lists = keys.map((key) => {
    const orderOf = ({ byKey }: Want) => byKey.get(key)?.order ?? 0;
    const its = missing.filter(({ byKey }) => byKey.has(key)).sort((one, other) => orderOf(one) - orderOf(other));
    return [...its.filter(isFree), ...its.filter((want) => !isFree(want) && isWorthFetchingToo(want, plan))];
  });
  // What is beyond the share of its key comes last, or it would take the room that was made for others.
  const withinShare = (list: readonly Want[]) => 1 + list.findLastIndex(({ id }) => plan.entitled.has(id));
  const within = inTurn(lists.map((list) => list.slice(0, withinShare(list))));
  const all = [...within, ...inTurn(lists.map((list) => list.slice(withinShare(list))))];
  const registered = [...view.records.keys()].filter(isMissing);
  const pinned = registered.filter((id) => isPinned(id, view));
  const asked = registered.filter((id) => isAsked(id, view));
  return new Set([...pinned, ...asked, ...all.map(({ id }) => id)]);
}

/**
 * Whether a model that other hosts have is fetched as well: each of their instances has more work with it than the
 * fetch and loading take, and more work of one of its keys than the instances here.
 */
function isWorthFetchingToo({ id, byKey }: Want, { view, holdersOf, workOf }: FetchPlanning): boolean {
  const holders = holdersOf(id);
  const instances = instancesOf(holders);
  const costMs = fetchMs(id, view) + view.loadMs(id);
  // The holders are busy too, so each counts as a job.
  const workMs = [...byKey.values()].reduce((sum, want) => sum + want.workMs * (1 + instances / want.jobs), 0);
  if (workMs / instances <= costMs) return false;
  const isLessHere = (key: string) =>
    Math.min(...holders.map((holder) => workOf(key, holder))) > workOf(key, view) + costMs;
  return [...byKey.keys()].some(isLessHere);
}

/** Both are computed once for each argument, because there may be a thousand wants and many folders. */
function holdings(view: FetchView, wants: ReadonlyMap<string, Want>): Pick<FetchPlanning, 'holdersOf' | 'workOf'> {
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
