import { LODS, type Lod, MAX_PRIORITY } from '@comfy-fleet/contracts';
import { LUA_CONSTANTS } from '../lua/constants.js';
import type { Demand, NearJob, NearKey, NearQueue, NearSnapshot } from './snapshot.js';

/** Jobs that an instance is not given for now, although it can run them. */
export interface Refusals {
  /** All jobs of these keys are refused. */
  readonly keys: readonly string[];
  /** Jobs whose affinity key begins with `affinity` are refused, of one key or, if `key` is empty, of all keys. */
  readonly queues: readonly { readonly key: string; readonly affinity: string }[];
}

/** The instance for which a job is chosen. */
export interface Chooser {
  readonly name: string;
  readonly refusals?: Refusals | undefined;
  /** How many ms it would load models, by affinity key, as its worker said; -1 for what it cannot run. */
  readonly loads?: ReadonlyMap<string, number>;
  /** Whether it may retry a job, by the ids of jobs that failed on it. */
  readonly retries?: ReadonlyMap<string, boolean>;
  /** What its last prompt encoded: its results are in the instance's cache. */
  readonly encoding?: string | undefined;
  /** Set while the instance is occupied: it leaves jobs to these instances. */
  readonly others?: readonly string[] | undefined;
}

export interface Rules {
  /** How many later jobs of its key may overtake a job. */
  readonly maxOvertakes: number;
  /** MODEL_PATIENCE_SECONDS, in ms. */
  readonly patienceMs: number;
}

/** A waiting job, and how long the instance would load models for it. */
export interface Candidate {
  readonly key: NearKey;
  readonly queue: NearQueue;
  readonly job: NearJob;
  readonly loadMs: number;
}

export type Choice =
  /** A job that a worker held before. */
  | { readonly kind: 'returned'; readonly id: string }
  /** A waiting job. `passedOver`: queues that come before it but need more loading, and its own if it is not the first. */
  | { readonly kind: 'waiting'; readonly chosen: Candidate; readonly passedOver: readonly NearQueue[] }
  /** First find out how long the instance would load models for these queues, and whether it may retry these jobs. */
  | { readonly kind: 'ask'; readonly loads: readonly NearQueue[]; readonly retries: readonly NearJob[] }
  /** First read the demand for the models of these queues. */
  | { readonly kind: 'weigh'; readonly queues: readonly NearQueue[] }
  /** The instance gets no job of those that were read, or none without loading; there is more to read. */
  | { readonly kind: 'more' }
  /** Jobs are waiting, but this instance leaves them to others. */
  | { readonly kind: 'left'; readonly passedOver: readonly NearQueue[] }
  | { readonly kind: 'none' | 'paused' };

const { LEVEL } = LUA_CONSTANTS;
/**
 * Fractions of `maxOvertakes`. Shortly before the oldest jobs of a key reach the bound, an instance loads models that no
 * other instance holds for them, and keeps running such jobs until the oldest one is further from the bound. Otherwise
 * several affinity queues would reach the bound together, and each instance would load models for single jobs of each
 * queue in turn.
 */
const LATE_TO_LOAD = 0.9;
const LATE_TO_STAY = 0.8;

/**
 * If jobs of other keys come first because they need no loading, a job waits only until loading for it takes at most this
 * share of the instance's time. Otherwise they could delay it for the whole patience to save a little loading.
 */
const LOADING_SHARE = 0.1;

/**
 * The "loading" of a job without models. It takes no time, but it is no reason to serve the job before others either:
 * later, it would not have to load anything.
 */
export const NEEDS_NO_MODELS = 0.5;

/** The level of a job. Among the waiting jobs of a key, lower levels come first. */
export function levelOf({ priority, lod }: { readonly priority: number; readonly lod: Lod }): number {
  return (MAX_PRIORITY - priority) * LODS.length + LODS.indexOf(lod);
}

/** Chooses the job that the instance gets. The rules are in docs/architecture/scheduling.md. */
export function choose(snapshot: NearSnapshot, chooser: Chooser, rules: Rules): Choice {
  const returned = snapshot.returned.find(({ begun }) => begun || !snapshot.paused);
  if (returned !== undefined) return { kind: 'returned', id: returned.id };
  if (snapshot.paused) return { kind: 'paused' };
  const isWeighed = ({ affinity }: NearQueue) => snapshot.demand?.has(affinity) === true;
  const queues = chooser.others === undefined ? [] : snapshot.keys.flatMap((key) => key.queues);
  if (!queues.every(isWeighed)) return { kind: 'weigh', queues: queues.filter((queue) => !isWeighed(queue)) };
  const { near, loads, retries } = nearCandidates(snapshot, chooser, rules);
  // It is asked again only if it would get nothing else. Otherwise a key with many unknown queues could hold it up.
  const isAsked = chooser.loads !== undefined && chooser.loads.size > 0;
  const hasOthers = near.length > 0 || snapshot.next !== undefined;
  const unknown = isAsked && hasOthers ? [] : loads;
  if (unknown.length + retries.length > 0) return { kind: 'ask', loads: unknown, retries };
  const [first, last] = [near[0], near.at(-1)];
  const isComplete = !snapshot.isCut || (first !== undefined && (last?.loadMs === 0 || isOvertaken(first, rules)));
  if (!isComplete || (first === undefined && snapshot.next !== undefined)) return { kind: 'more' };
  if (first === undefined) {
    return snapshot.keys.length === 0 ? { kind: 'none' } : { kind: 'left', passedOver: [] };
  }
  const best = isOvertaken(first, rules) ? first : leastLoading(near, snapshot, chooser, rules);
  if (best === 'weigh') return { kind: 'weigh', queues: near.map(({ queue }) => queue) };
  const before = best === undefined ? near : near.slice(0, near.indexOf(best));
  const passedOver = before.map(({ queue }) => queue);
  if (best === undefined) return { kind: 'left', passedOver };
  const encoded = jobAsEncoded(best, snapshot, chooser, rules);
  if (encoded === undefined) return { kind: 'waiting', chosen: best, passedOver };
  return { kind: 'waiting', chosen: { ...best, job: encoded }, passedOver: [...passedOver, best.queue] };
}

/**
 * Chooses up to `wanted` jobs: the best one, then the one that would be best if another worker took the first, and so on.
 */
export function chooseSome(snapshot: NearSnapshot, chooser: Chooser, rules: Rules, wanted: number): Choice[] {
  const choices = [choose(snapshot, chooser, rules)];
  let left = snapshot;
  while (choices.length < wanted) {
    const last = choices.at(-1);
    if (!isJob(last)) break;
    left = withoutJob(left, last);
    choices.push(choose(left, chooser, rules));
  }
  return choices.length === 1 ? choices : choices.filter(isJob);
}

/** A choice that gives the instance a job. */
export type ChosenJob = Extract<Choice, { readonly kind: 'returned' | 'waiting' }>;

export function isJob(choice: Choice | undefined): choice is ChosenJob {
  return choice?.kind === 'waiting' || choice?.kind === 'returned';
}

/**
 * How much later than the first key a key may come, in ms of virtual time, and still be served before it for its models. One
 * more job in work makes no difference: otherwise an instance would seldom stay with the key whose models it holds.
 */
export function nearMs(patienceMs: number): number {
  return patienceMs === 0 ? 0 : patienceMs + LUA_CONSTANTS.IN_WORK_MS;
}

/**
 * Weighted fair queueing: takes the keys by virtual time, as far as they are near the first one, and of each key the jobs
 * that it may get next, up to the first one without any loading.
 */
function nearCandidates(snapshot: NearSnapshot, chooser: Chooser, rules: Rules) {
  const near: Candidate[] = [];
  const [loads, retries]: [NearQueue[], NearJob[]] = [[], []];
  // Redis sorts equal times by name.
  const keys = snapshot.keys.toSorted((a, b) => a.time - b.time || (a.name < b.name ? -1 : 1));
  let latest = Number.POSITIVE_INFINITY;
  for (const key of keys) {
    if (key.time > latest) break;
    const heads: Candidate[] = [];
    for (const queue of key.queues) {
      if (isRefused(key.name, queue.affinity, chooser)) continue;
      const loadMs = queue.loadMs ?? chooser.loads?.get(queue.affinity);
      const leftTo = demandOf(queue, snapshot).leftTo;
      const job = queue.jobs.find((one) => mayTry(one, leftTo, chooser));
      if (job === undefined || (loadMs ?? 0) < 0) continue;
      if (loadMs === undefined) loads.push(queue);
      else heads.push({ key, queue, job, loadMs });
      if (job.failedOn.includes(chooser.name) && !chooser.retries?.has(job.id)) retries.push(job);
    }
    for (const candidate of ofKey(heads, rules)) {
      if (latest === Number.POSITIVE_INFINITY) latest = key.time + nearMs(patienceWithOthers(candidate, rules));
      near.push(candidate);
      if (candidate.loadMs === 0) return { near, loads, retries };
    }
  }
  return { near, loads, retries };
}

/** Whether the worker refuses this key or these jobs on its instance. */
export function isRefused(key: string, affinity: string, { refusals }: Chooser): boolean {
  if (refusals === undefined) return false;
  if (refusals.keys.includes(key)) return true;
  return refusals.queues.some(
    (queue) => affinity.startsWith(queue.affinity) && (queue.key === '' || queue.key === key),
  );
}

/**
 * Whether the instance may try the job. It may not if the job failed on it and another instance may try it, or if the
 * instance is occupied and another one may try the job.
 */
function mayTry({ id, failedOn }: NearJob, leftTo: readonly string[], { name, retries }: Chooser): boolean {
  if (failedOn.includes(name) && retries?.get(id) === false) return false;
  return leftTo.every((other) => failedOn.includes(other));
}

/**
 * The jobs of a key that may be next. Its order is priority, level of detail, age. Models decide only among jobs of the
 * highest waiting priority. The oldest job comes next after `maxOvertakes` later ones have overtaken it. A key that has
 * as many jobs in work as it may gets none.
 */
function ofKey(heads: readonly Candidate[], rules: Rules): Candidate[] {
  const allowed = heads.filter(({ key, job }) => key.inWork < job.mostTaken);
  const [first, ...others] = allowed.toSorted((a, b) => a.job.sequence - b.job.sequence);
  if (first === undefined) return [];
  const oldest = allowed.reduce((a, b) => (arrivalNumber(b) < arrivalNumber(a) ? b : a));
  if (isOvertaken(oldest, rules)) return [oldest];
  return [first, ...others.filter((other) => priorityOf(other) === priorityOf(first))];
}

function arrivalNumber({ job }: Pick<Candidate, 'job'>): number {
  return job.sequence % LEVEL;
}

function priorityOf({ job }: Candidate): number {
  return Math.floor(job.sequence / LEVEL / LODS.length);
}

function isOvertaken(candidate: Pick<Candidate, 'key' | 'job'>, { maxOvertakes }: Rules, part = 1): boolean {
  return candidate.key.removed - arrivalNumber(candidate) >= part * maxOvertakes;
}

/** How long jobs of other keys may come before this one because they need no loading. */
function patienceWithOthers({ loadMs }: Candidate, { patienceMs }: Rules): number {
  return Math.min(patienceMs, loadMs / LOADING_SHARE);
}

function isPatienceOver(since: number, { now }: NearSnapshot, patienceMs: number): boolean {
  // A time in the future means that the clock was set back.
  return Math.abs(now - since) >= patienceMs;
}

/**
 * Chooses the first job if it needs no loading, else the next one that needs none, else the one most worth loading for;
 * but an overdue job comes before it.
 */
function leastLoading(near: readonly Candidate[], snapshot: NearSnapshot, { name }: Chooser, rules: Rules) {
  const [first, last] = [near[0], near.at(-1)];
  if (first === undefined || !mustLoad(first) || rules.patienceMs === 0) return first;
  const late = last?.loadMs === 0 ? findLate(near, last, snapshot, rules) : undefined;
  const isWeighed = near.every(({ queue }) => snapshot.demand?.has(queue.affinity));
  if (!isWeighed && (last?.loadMs !== 0 || late !== undefined)) return 'weigh';
  const best = last?.loadMs === 0 ? (late ?? last) : worthLoading(near, snapshot, name);
  return overdue(near, best, snapshot, rules) ?? best;
}

/** How the encoding of a job begins if it is the mark of an instance; see workers/encode-ahead.ts. */
export const MARK = '@';

/**
 * A later job of the queue that encodes the same as the instance's last prompt, so that a text with many seeds is
 * encoded once; else, if the texts of the first job are encoded on another instance, the next one for which that is not
 * so. None if the first job encodes the same, or has been passed over for long or often.
 */
function jobAsEncoded({ key, queue, job, loadMs }: Candidate, snapshot: NearSnapshot, chooser: Chooser, rules: Rules) {
  const { name, encoding } = chooser;
  const isSame = (one: NearJob) => encoding !== undefined && one.encoding === encoding;
  const isElsewhere = (one: NearJob) => one.encoding?.startsWith(MARK) === true && !isSame(one);
  if (isSame(job) || loadMs > NEEDS_NO_MODELS || rules.patienceMs === 0) return undefined;
  if (encoding === undefined && !isElsewhere(job)) return undefined;
  if (queue.passedOverAt !== undefined && isPatienceOver(queue.passedOverAt, snapshot, rules.patienceMs))
    return undefined;
  if (isOvertaken({ key, job }, rules, LATE_TO_STAY)) return undefined;
  const { leftTo } = demandOf(queue, snapshot);
  const possible = queue.jobs.filter((one) => !one.failedOn.includes(name) && mayTry(one, leftTo, chooser));
  return possible.find(isSame) ?? (isElsewhere(job) ? possible.find((one) => !isElsewhere(one)) : undefined);
}

function mustLoad({ loadMs }: Candidate): boolean {
  return loadMs > NEEDS_NO_MODELS;
}

function demandOf({ affinity }: NearQueue, { demand }: NearSnapshot): Demand {
  return demand?.get(affinity) ?? { holders: 0, waiting: 1, leftTo: [] };
}

/** A late job of the same key, for which the instance should load models instead of running the held one. */
function findLate(near: readonly Candidate[], held: Candidate, snapshot: NearSnapshot, rules: Rules) {
  if (isOvertaken(held, rules, LATE_TO_STAY)) return undefined;
  const isFree = ({ key, queue }: Candidate) => key === held.key && demandOf(queue, snapshot).holders === 0;
  return near.find((one) => one !== held && isFree(one) && isOvertaken(one, rules, LATE_TO_LOAD));
}

/**
 * The job before the best one that was passed over first, if that was at least the patience ago. An instance that would
 * otherwise load nothing loads at most once per patience: with many models in demand, it would do nothing but load.
 */
function overdue(near: readonly Candidate[], best: Candidate | undefined, snapshot: NearSnapshot, rules: Rules) {
  const before = best === undefined ? near : near.slice(0, near.indexOf(best));
  const loadsAnyway = best !== undefined && mustLoad(best);
  const since = ({ queue }: Candidate) => queue.passedOverAt ?? Number.POSITIVE_INFINITY;
  const isDue = (candidate: Candidate) => {
    const isOther = best !== undefined && best.key !== candidate.key;
    const patienceMs = isOther ? patienceWithOthers(candidate, rules) : rules.patienceMs;
    const isOver = (at: number | undefined) => at !== undefined && isPatienceOver(at, snapshot, patienceMs);
    const mayLoad = loadsAnyway || snapshot.loadedAt === undefined || isOver(snapshot.loadedAt);
    return mayLoad && isOver(candidate.queue.passedOverAt);
  };
  return before.filter(isDue).toSorted((a, b) => since(a) - since(b))[0];
}

/**
 * The job most worth loading for: the one with the most work for each instance that holds its models. If those
 * instances will finish that work sooner than this one could load, the first job without models, if there is one.
 */
function worthLoading(near: readonly Candidate[], snapshot: NearSnapshot, name: string) {
  let [best, mostWork]: [Candidate | undefined, number] = [undefined, 0];
  for (const candidate of near.filter(mustLoad)) {
    const { queue, job, loadMs } = candidate;
    if (job.wantedBy === name) return candidate;
    const { waiting, holders } = demandOf(queue, snapshot);
    // The holders are busy too, so each counts as a job. Without holders, the work is infinite.
    const work = ((waiting + holders) * job.expectedMs) / holders;
    if (work > loadMs && work > mostWork) [best, mostWork] = [candidate, work];
  }
  return best ?? near.find((candidate) => !mustLoad(candidate));
}

/** The snapshot as it would be after another instance took the job. */
function withoutJob(snapshot: NearSnapshot, choice: ChosenJob): NearSnapshot {
  if (choice.kind === 'returned') {
    return { ...snapshot, returned: snapshot.returned.filter(({ id }) => id !== choice.id) };
  }
  const { key, queue, job, loadMs } = choice.chosen;
  const jobs = queue.jobs.filter((one) => one !== job);
  const shorter = { ...queue, jobs };
  const served = {
    ...key,
    time: key.time + key.inWorkMs / job.weight,
    removed: key.removed + 1,
    inWork: key.inWork + 1,
    queues: key.queues.flatMap((one) => (one !== queue ? [one] : jobs.length === 0 ? [] : [shorter])),
  };
  const after = { ...snapshot, keys: snapshot.keys.map((one) => (one === key ? served : one)) };
  if (snapshot.demand === undefined || loadMs <= NEEDS_NO_MODELS) return after;
  const demand = demandOf(queue, snapshot);
  return { ...after, demand: new Map(snapshot.demand).set(queue.affinity, { ...demand, holders: demand.holders + 1 }) };
}
