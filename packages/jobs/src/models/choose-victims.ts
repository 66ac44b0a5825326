import type { ModelCopy } from '@comfy-fleet/contracts';
import {
  bytesOf,
  bytesOfAll,
  type FetchView,
  FORCE_FACTOR,
  fetchMs,
  isAsked,
  isPinned,
  type ModelAt,
  onDisk,
  ownerOf,
  TURN_MS,
  type Want,
} from './fetch-view.js';

/** What is derived from the view once for a plan. */
export interface Plan {
  readonly view: FetchView;
  /** In the order of service. */
  readonly wants: ReadonlyMap<string, Want>;
  readonly entitled: ReadonlySet<string>;
  readonly evict: Set<string>;
  /** See FetchMemory. */
  readonly owed: Map<string, ModelAt>;
}

/**
 * The models to evict so that so many bytes are free: unwanted ones, the least recently used first, then wanted ones,
 * the last to be used again first; those that jobs in work use are deleted when these have ended. For a caller's URL,
 * models from URLs of the same key go first, and no others if they take more than its share, or if models of others were
 * evicted for another one in vain. Undefined if these are not enough.
 */
export function victimsFor(id: string, bytes: number, plan: Plan, isForced: boolean): readonly string[] | undefined {
  const { view, wants, evict } = plan;
  const owner = ownerOf(id, view);
  const isOwn = (other: string) => owner !== undefined && ownerOf(other, view) === owner;
  const owed = owner === undefined ? undefined : plan.owed.get(owner);
  // A source can announce any size, so models of others are evicted again only when the last URL has been fetched.
  const isInVain = owed !== undefined && (owed.id !== id || view.now - owed.at >= TURN_MS);
  const isOwnOnly = isInVain || exceedsShare(id, plan);
  const evictable = [...view.copies].filter(([other, { state, is_ours }]) => {
    if (isOwnOnly && !isOwn(other)) return false;
    const isFree = state === 'ready' && is_ours && !evict.has(other);
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
  const keys = [...want.byKey];
  if (!isForced) return entitled.has(other) || !entitled.has(id) || keys.every(([key]) => its.byKey.has(key));
  // Jobs of the same key that came before, or not long after, may be done first: a model is not fetched twice for that.
  const muchLater = longestWaitMs(id, view) / 2;
  return keys.every(([key, { since }]) => (its.byKey.get(key)?.since ?? Number.POSITIVE_INFINITY) <= since + muchLater);
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

/**
 * Whether it has been wanted for so long that it may take the place of a wanted one. A folder does that at most once
 * per such time, so that it is not busy with fetching the same models again and again.
 */
export function isOverdue({ id, byKey }: Want, view: FetchView): boolean {
  const { now, memory } = view;
  const since = Math.min(...[...byKey.values()].map((want) => want.since));
  return now - Math.max(since, memory.forcedAt) >= longestWaitMs(id, view);
}

function longestWaitMs(id: string, view: FetchView): number {
  return Math.max(view.patienceMs, FORCE_FACTOR * fetchMs(id, view));
}

/**
 * The wanted models that are not evicted for other keys: of each key the first ones, as far as they fit into its share
 * of the folder, and at least one.
 */
export function entitledModels(wants: ReadonlyMap<string, Want>, view: FetchView): ReadonlySet<string> {
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
