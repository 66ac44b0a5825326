import { LODS, type Lod, MAX_PRIORITY } from '@comfy-fleet/contracts';
import type { Demand, NearJob, NearKey, NearQueue, NearSnapshot } from './snapshot.js';

/** Jobs that an instance is not given now although it can run them. */
export interface Refusals {
  /** All jobs of these keys. */
  readonly keys: readonly string[];
  /** Those with an affinity key, of one key or, where it is empty, of all. */
  readonly queues: readonly { readonly key: string; readonly affinity: string }[];
}

/** For which a job is chosen; without a name it can run everything and holds all models. */
export interface Chooser {
  readonly name?: string | undefined;
  readonly refusals?: Refusals | undefined;
  /** What it said it would load, in ms, by affinity key; -1 for what it cannot run. */
  readonly loads?: ReadonlyMap<string, number>;
  /** Jobs that failed on it, and whether it may try them again. */
  readonly retries?: ReadonlyMap<string, boolean>;
  /** It is occupied, and leaves jobs to these instances. */
  readonly others?: readonly string[] | undefined;
}

export interface Rules {
  /** MAX_OVERTAKES. */
  readonly maxOvertakes: number;
  /** MODEL_PATIENCE_SECONDS, in ms. */
  readonly patienceMs: number;
}

/** A waiting job, and what instances would have to load for it. */
export interface Candidate {
  readonly key: NearKey;
  readonly queue: NearQueue;
  readonly job: NearJob;
  readonly loadMs: number;
}

export type Choice =
  /** A job that a worker has had before. */
  | { readonly kind: 'returned'; readonly id: string }
  /** A waiting job; `passedOver`: the queues that come before it and would need more loading. */
  | { readonly kind: 'waiting'; readonly chosen: Candidate; readonly passedOver: readonly NearQueue[] }
  /** First it has to be known what the instance would load for these queues, and whether it may retry these jobs. */
  | { readonly kind: 'ask'; readonly loads: readonly NearQueue[]; readonly retries: readonly NearJob[] }
  /** First the demand for the models of these queues has to be read. */
  | { readonly kind: 'weigh'; readonly queues: readonly NearQueue[] }
  /** Of what was read the instance gets nothing, or nothing without loading, and there is more. */
  | { readonly kind: 'more' }
  /** Jobs wait, but this instance leaves them to others. */
  | { readonly kind: 'left'; readonly passedOver: readonly NearQueue[] }
  | { readonly kind: 'none' | 'paused' };

/** As in lua/scheduling/waiting.lua. */
const LEVEL = 1e12;
/**
 * Parts of MAX_OVERTAKES. Shortly before the oldest jobs of a key reach the bound, each instance loads for those that no
 * other instance holds, and stays with them until they are further from it. Otherwise several affinity queues would reach
 * the bound together, and each instance would load for single jobs of all of them in turn.
 */
const LATE_TO_LOAD = 0.9;
const LATE_TO_STAY = 0.8;

/** Among the waiting jobs of a key the lower level comes first. */
export function levelOf({ priority, lod }: { readonly priority: number; readonly lod: Lod }): number {
  return (MAX_PRIORITY - priority) * LODS.length + LODS.indexOf(lod);
}

/** Which job the instance gets. The rules are in docs/architecture/scheduling.md. */
export function choose(snapshot: NearSnapshot, chooser: Chooser, rules: Rules): Choice {
  const returned = snapshot.returned.find(({ begun }) => begun || !snapshot.paused);
  if (returned !== undefined) return { kind: 'returned', id: returned.id };
  if (snapshot.paused) return { kind: 'paused' };
  const isWeighed = ({ affinity }: NearQueue) => snapshot.demand?.has(affinity) === true;
  const queues = chooser.others === undefined ? [] : snapshot.keys.flatMap((key) => key.queues);
  if (!queues.every(isWeighed)) return { kind: 'weigh', queues: queues.filter((queue) => !isWeighed(queue)) };
  const { near, loads, retries } = nearCandidates(snapshot, chooser, rules);
  if (loads.length + retries.length > 0) return { kind: 'ask', loads, retries };
  const [first, last] = [near[0], near.at(-1)];
  const isComplete = !snapshot.isCut || (first !== undefined && (last?.loadMs === 0 || isOvertaken(first, rules)));
  if (!isComplete || (first === undefined && snapshot.next !== undefined)) return { kind: 'more' };
  if (first === undefined) {
    return snapshot.keys.length === 0 ? { kind: 'none' } : { kind: 'left', passedOver: [] };
  }
  const chosen = isOvertaken(first, rules) ? first : leastLoading(near, snapshot, chooser, rules);
  if (chosen === 'weigh') return { kind: 'weigh', queues: near.map(({ queue }) => queue) };
  const before = chosen === undefined ? near : near.slice(0, near.indexOf(chosen));
  const passedOver = before.map(({ queue }) => queue);
  return chosen === undefined ? { kind: 'left', passedOver } : { kind: 'waiting', chosen, passedOver };
}

/**
 * What the instance gets: the job chosen first, then the one that it would get if that was taken meanwhile, and so on, as
 * many as are wanted.
 */
export function chooseSome(snapshot: NearSnapshot, chooser: Chooser, rules: Rules): Choice[] {
  const choices = [choose(snapshot, chooser, rules)];
  let left = snapshot;
  while (choices.length < snapshot.wanted) {
    const last = choices.at(-1);
    if (!isJob(last)) break;
    left = withoutJob(left, last);
    choices.push(choose(left, chooser, rules));
  }
  return choices.length === 1 ? choices : choices.filter(isJob);
}

/** One of the choices that give the instance a job. */
export type ChosenJob = Extract<Choice, { readonly kind: 'returned' | 'waiting' }>;

export function isJob(choice: Choice | undefined): choice is ChosenJob {
  return choice?.kind === 'waiting' || choice?.kind === 'returned';
}

/**
 * Weighted fair queueing: the keys by virtual time, as far as they are within the patience of the first one. Of each the
 * jobs that it may be given next, up to one without any loading.
 */
function nearCandidates(snapshot: NearSnapshot, chooser: Chooser, rules: Rules) {
  const near: Candidate[] = [];
  const [loads, retries]: [NearQueue[], NearJob[]] = [[], []];
  // As Redis sorts them.
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
      if (job.failedOn.includes(chooser.name ?? '') && !chooser.retries?.has(job.id)) retries.push(job);
    }
    for (const candidate of ofKey(heads, rules)) {
      if (latest === Number.POSITIVE_INFINITY) latest = key.time + rules.patienceMs;
      near.push(candidate);
      if (candidate.loadMs === 0) return { near, loads, retries };
    }
  }
  return { near, loads, retries };
}

/** Suspended keys and work, by what the worker knows of its instance. */
export function isRefused(key: string, affinity: string, { refusals }: Chooser): boolean {
  if (refusals === undefined) return false;
  if (refusals.keys.includes(key)) return true;
  return refusals.queues.some((queue) => queue.affinity === affinity && (queue.key === '' || queue.key === key));
}

/**
 * Not a job that failed on this instance while another one may try it, and on an occupied instance only those that no
 * other one may try.
 */
function mayTry({ id, failedOn }: NearJob, leftTo: readonly string[], { name = '', retries }: Chooser): boolean {
  if (failedOn.includes(name) && retries?.get(id) === false) return false;
  return leftTo.every((other) => failedOn.includes(other));
}

/**
 * Within a key the order is priority, level of detail, age. Models decide only among heads of the first priority; and the
 * oldest job comes next once MAX_OVERTAKES later ones have overtaken it. Nothing of a key that has as many in work as it may.
 */
function ofKey(heads: readonly Candidate[], rules: Rules): Candidate[] {
  const allowed = heads.filter(({ key, job }) => key.inWork < job.mostTaken);
  const [first, ...others] = allowed.toSorted((a, b) => a.job.sequence - b.job.sequence);
  if (first === undefined) return [];
  const oldest = allowed.reduce((a, b) => (arrivalNumber(b) < arrivalNumber(a) ? b : a));
  if (isOvertaken(oldest, rules)) return [oldest];
  return [first, ...others.filter((other) => priorityOf(other) === priorityOf(first))];
}

function arrivalNumber({ job }: Candidate): number {
  return job.sequence % LEVEL;
}

function priorityOf({ job }: Candidate): number {
  return Math.floor(job.sequence / LEVEL / LODS.length);
}

function isOvertaken(candidate: Candidate, { maxOvertakes }: Rules, part = 1): boolean {
  return candidate.key.removed - arrivalNumber(candidate) >= part * maxOvertakes;
}

/**
 * The job whose turn it is, or the next one for which the instance has nothing to load, or the one that is worth loading;
 * instead of it, what has been passed over for as long as the patience.
 */
function leastLoading(near: readonly Candidate[], snapshot: NearSnapshot, { name }: Chooser, rules: Rules) {
  const [first, last] = [near[0], near.at(-1)];
  if (first?.loadMs === 0 || rules.patienceMs === 0) return first;
  const late = last?.loadMs === 0 ? findLate(near, last, snapshot, rules) : undefined;
  const isWeighed = near.every(({ queue }) => snapshot.demand?.has(queue.affinity));
  if (!isWeighed && (last?.loadMs !== 0 || late !== undefined)) return 'weigh';
  const best = last?.loadMs === 0 ? (late ?? last) : worthLoading(near, snapshot, name);
  return overdue(near, best, snapshot, rules) ?? best;
}

function demandOf({ affinity }: NearQueue, { demand }: NearSnapshot): Demand {
  return demand?.get(affinity) ?? { holders: 0, waiting: 1, leftTo: [] };
}

/** A job of the same key that is to be loaded for rather than going on with the one that is held. */
function findLate(near: readonly Candidate[], held: Candidate, snapshot: NearSnapshot, rules: Rules) {
  if (isOvertaken(held, rules, LATE_TO_STAY)) return undefined;
  const isFree = ({ key, queue }: Candidate) => key === held.key && demandOf(queue, snapshot).holders === 0;
  return near.find((one) => one !== held && isFree(one) && isOvertaken(one, rules, LATE_TO_LOAD));
}

/**
 * What comes before the best one and was passed over first, as long ago as the patience. An instance that would have
 * nothing to load otherwise is made to load only once in that time: else, with many models in demand, it would do
 * nothing but load.
 */
function overdue(near: readonly Candidate[], best: Candidate | undefined, snapshot: NearSnapshot, rules: Rules) {
  // A time to come is one from before the clock was set back.
  const isPast = (at: number) => Math.abs(snapshot.now - at) >= rules.patienceMs;
  const loadsAnyway = best !== undefined && best.loadMs > 0;
  if (!loadsAnyway && snapshot.loadedAt !== undefined && !isPast(snapshot.loadedAt)) return undefined;
  const before = best === undefined ? near : near.slice(0, near.indexOf(best));
  const since = ({ queue }: Candidate) => queue.passedOverAt ?? Number.POSITIVE_INFINITY;
  return before
    .filter((candidate) => since(candidate) !== Number.POSITIVE_INFINITY && isPast(since(candidate)))
    .toSorted((a, b) => since(a) - since(b))[0];
}

/**
 * Of jobs for which the instance has to load, the one with most work for each instance that holds its models; none if those
 * will be through with it sooner than it is loaded here.
 */
function worthLoading(near: readonly Candidate[], snapshot: NearSnapshot, name: string | undefined) {
  let [best, mostWork]: [Candidate | undefined, number] = [undefined, 0];
  for (const candidate of near) {
    const { queue, job, loadMs } = candidate;
    if (name !== undefined && job.wantedBy === name) return candidate;
    const { waiting, holders } = demandOf(queue, snapshot);
    // They are at work on something, too. Where nobody holds them, it is infinite.
    const work = ((waiting + holders) * job.expectedMs) / holders;
    if (work > loadMs && work > mostWork) [best, mostWork] = [candidate, work];
  }
  return best;
}

/** As it will be when another instance has taken the job. */
function withoutJob(snapshot: NearSnapshot, choice: ChosenJob): NearSnapshot {
  if (choice.kind === 'returned') {
    return { ...snapshot, returned: snapshot.returned.filter(({ id }) => id !== choice.id) };
  }
  const { key, queue, job, loadMs } = choice.chosen;
  const jobs = queue.jobs.filter((one) => one !== job);
  const shorter = { ...queue, jobs };
  const served = {
    ...key,
    time: key.time + job.expectedMs / job.weight,
    removed: key.removed + 1,
    inWork: key.inWork + 1,
    queues: key.queues.flatMap((one) => (one !== queue ? [one] : jobs.length === 0 ? [] : [shorter])),
  };
  const after = { ...snapshot, keys: snapshot.keys.map((one) => (one === key ? served : one)) };
  if (snapshot.demand === undefined || loadMs === 0) return after;
  const demand = demandOf(queue, snapshot);
  return { ...after, demand: new Map(snapshot.demand).set(queue.affinity, { ...demand, holders: demand.holders + 1 }) };
}
