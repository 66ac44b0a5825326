/** GPU time of a key in a pool, spread evenly over `from` to `till` (ms since 1970). */
export interface GpuTime {
  readonly pool: string;
  readonly key: string;
  readonly ms: number;
  readonly from: number;
  readonly till: number;
}

/** The part of the GPU time that was used from `begin` on. */
function msSince(begin: number, { ms, from, till }: GpuTime): number {
  if (till <= begin) return 0;
  return from >= begin ? ms : (ms * (till - begin)) / (till - from);
}

/** How much GPU time a key gets, and how long it waits. */
export interface KeyShare {
  readonly key: string;
  readonly weight: number;
  /** GPU time of the last minute and the last hour. */
  readonly gpuMsMinute: number;
  readonly gpuMsHour: number;
  /** The key's part of the GPU time of all keys in that minute or hour, 0 to 1; 0 if there was none. */
  readonly shareMinute: number;
  readonly shareHour: number;
  /**
   * What shareHour would be if the GPU time of each pool were divided by weight among the keys that had jobs there in
   * that hour.
   */
  readonly fairShare: number;
  /** Jobs that no worker has claimed yet. */
  readonly waiting: number;
  /** Age of the oldest of them; 0 if there is none. */
  readonly oldestWaitMs: number;
  /**
   * Age of the oldest waiting job, ignoring jobs that wait because the key is at its limit of jobs in work; 0 if there
   * is none.
   */
  readonly oldestTurnMs: number;
}

/** The waiting jobs of a key in a pool. */
export interface KeyBacklog {
  readonly pool: string;
  readonly key: string;
  readonly jobs: number;
  /** The key has as many jobs in work as it may. */
  readonly heldBack: boolean;
  /** When the oldest was created, in ms since 1970. */
  readonly since: number;
}

export interface ShareInputs {
  /** ms since 1970. */
  readonly now: number;
  /** GPU time of the last hour; earlier time is ignored. */
  readonly times: readonly GpuTime[];
  readonly backlogs: readonly KeyBacklog[];
  /** Keys that are missing have weight 1. */
  readonly weights: ReadonlyMap<string, number>;
}

interface Tally {
  minute: number;
  hour: number;
  waiting: number;
  oldestWaitMs: number;
  oldestTurnMs: number;
  /** Pools where the key had jobs. */
  readonly pools: Set<string>;
}

const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;

/** The shares of all keys that had jobs in the last hour. */
export function sharesOf(inputs: ShareInputs): KeyShare[] {
  const tallies = talliesOf(inputs);
  const minuteMs = sum([...tallies.values()].map(({ minute }) => minute));
  const hourMs = sum([...tallies.values()].map(({ hour }) => hour));
  const fairShareOf = fairShares(inputs, tallies, hourMs);
  return [...tallies].map(([key, { minute, hour, waiting, oldestWaitMs, oldestTurnMs, pools }]) => ({
    key,
    weight: inputs.weights.get(key) ?? 1,
    gpuMsMinute: minute,
    gpuMsHour: hour,
    shareMinute: minuteMs === 0 ? 0 : minute / minuteMs,
    shareHour: hourMs === 0 ? 0 : hour / hourMs,
    fairShare: fairShareOf(key, pools),
    waiting,
    oldestWaitMs,
    oldestTurnMs,
  }));
}

function talliesOf({ now, times, backlogs }: ShareInputs): ReadonlyMap<string, Tally> {
  const tallies = new Map<string, Tally>();
  const tallyOf = (key: string, pool: string) => {
    const tally = tallies.get(key) ?? {
      minute: 0,
      hour: 0,
      waiting: 0,
      oldestWaitMs: 0,
      oldestTurnMs: 0,
      pools: new Set(),
    };
    tallies.set(key, tally);
    tally.pools.add(pool);
    return tally;
  };
  for (const time of times) {
    const ms = msSince(now - HOUR_MS, time);
    if (ms === 0) continue;
    const tally = tallyOf(time.key, time.pool);
    tally.hour += ms;
    tally.minute += msSince(now - MINUTE_MS, time);
  }
  for (const { pool, key, jobs, heldBack, since } of backlogs) {
    const tally = tallyOf(key, pool);
    const age = Math.max(0, now - since);
    tally.waiting += jobs;
    tally.oldestWaitMs = Math.max(tally.oldestWaitMs, age);
    if (!heldBack) tally.oldestTurnMs = Math.max(tally.oldestTurnMs, age);
  }
  return tallies;
}

function fairShares({ now, times, weights }: ShareInputs, tallies: ReadonlyMap<string, Tally>, hourMs: number) {
  const [ofPools, weightSums] = [new Map<string, number>(), new Map<string, number>()];
  const add = (sums: Map<string, number>, pool: string, value: number) => sums.set(pool, (sums.get(pool) ?? 0) + value);
  for (const time of times) add(ofPools, time.pool, msSince(now - HOUR_MS, time));
  for (const [key, { pools }] of tallies) {
    for (const pool of pools) add(weightSums, pool, weights.get(key) ?? 1);
  }
  // If no GPU worked in the last hour, all pools count the same.
  const partOf = (pool: string) => (hourMs === 0 ? 1 / weightSums.size : (ofPools.get(pool) ?? 0) / hourMs);
  return (key: string, pools: ReadonlySet<string>) =>
    sum([...pools].map((pool) => (partOf(pool) * (weights.get(key) ?? 1)) / (weightSums.get(pool) as number)));
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

/**
 * At most `most` shares: half of them those with the most GPU time, the rest those that wait longest. Sorted by GPU
 * time.
 */
export function topShares(shares: readonly KeyShare[], most: number): KeyShare[] {
  const byTime = [...shares].sort((a, b) => b.gpuMsHour - a.gpuMsHour || b.oldestWaitMs - a.oldestWaitMs);
  const half = Math.ceil(most / 2);
  const longest = byTime.slice(half).sort((a, b) => b.oldestWaitMs - a.oldestWaitMs);
  const shown = new Set([...byTime.slice(0, half), ...longest.slice(0, most - half)]);
  return byTime.filter((share) => shown.has(share));
}
