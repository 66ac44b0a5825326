import { LODS, type Lod, MAX_PRIORITY } from '@comfy-fleet/contracts';

/** A waiting job, as the choice sees it. */
export interface Choosable {
  readonly id: string;
  readonly key: string;
  readonly priority: number;
  readonly lod: Lod;
  readonly checkpoint: string;
  /** Grows with age of coming. */
  readonly number: number;
  /** Of its turn: how many of its key's jobs came before it. */
  readonly before: number;
  /** Later jobs of its key that were taken before it. */
  readonly overtakes: number;
}

/** A key that takes its turns, in the order of those. */
export interface KeyInTurn {
  readonly name: string;
  readonly time: number;
  readonly isNewcomer: boolean;
  /** Of its jobs, so many were taken from among the waiting ones. */
  readonly removed: number;
  readonly waiting: readonly Choosable[];
}

export interface Ask {
  readonly instance: string;
  /** ms since 1970. */
  readonly clock: number;
}

/** What is known of the instances of the pool. */
export interface Instances {
  readonly names: readonly string[];
  /** ms that it would load for a checkpoint; -1 when it cannot run such jobs. */
  fit(instance: string, checkpoint: string): number;
}

export interface ChoiceRules {
  readonly maxOvertakes: number;
  readonly patienceMs: number;
  /** What is expected of a job's like, in ms. */
  readonly expectedMs: (job: Choosable) => number;
  /** All jobs that wait in the pool, those of keys included that take no turns. */
  readonly allWaiting: () => readonly Choosable[];
}

interface Candidate {
  readonly job: Choosable;
  readonly load: number;
  readonly isNewcomer: boolean;
  readonly isOvertaken: boolean;
  readonly removed: number;
}

/** What is remembered from one choice to the next. */
export class ChoiceModel {
  /** Lines (checkpoint and key) that were passed by, since when. */
  readonly #passedBy = new Map<string, number>();
  /** When each instance was last given a job for which it had to load, and when for a newcomer's sake. */
  readonly #loaded = new Map<string, number>();
  readonly #rules: ChoiceRules;
  readonly #instances: Instances;

  constructor(rules: ChoiceRules, instances: Instances) {
    this.#rules = rules;
    this.#instances = instances;
  }

  choose(keys: readonly KeyInTurn[], ask: Ask): Choosable | undefined {
    const near = this.#near(keys, ask);
    const best = near.length === 0 ? undefined : this.#best(near, ask);
    return best?.job;
  }

  given(job: Choosable, ask: Ask): void {
    this.#passedBy.delete(line(job));
    if (this.#instances.fit(ask.instance, job.checkpoint) > 0) this.#loaded.set(ask.instance, ask.clock);
  }

  lineEnded(job: Choosable): void {
    this.#passedBy.delete(line(job));
  }

  poolEmptied(): void {
    this.#loaded.clear();
  }

  #near(keys: readonly KeyInTurn[], ask: Ask): Candidate[] {
    const near: Candidate[] = [];
    let latest: number | undefined;
    for (const key of keys) {
      if (latest !== undefined && key.time > latest && !key.isNewcomer) break;
      for (const candidate of this.#ofKey(key, ask)) {
        latest ??= key.time + this.#rules.patienceMs;
        near.push(candidate);
        if (candidate.load === 0 || this.#rules.patienceMs === 0) return near;
      }
    }
    return near;
  }

  #ofKey({ waiting, isNewcomer, removed }: KeyInTurn, { instance }: Ask): Candidate[] {
    const candidate = (job: Choosable, isOvertaken = false): Candidate => {
      return { job, load: this.#instances.fit(instance, job.checkpoint), isNewcomer, isOvertaken, removed };
    };
    const inOrder = [...waiting].sort(byTurn);
    const [first] = inOrder;
    const byAge = [...waiting].sort((a, b) => a.number - b.number);
    const [oldest] = byAge;
    if (first === undefined || oldest === undefined) return [];
    const loadOfFirst = candidate(first).load;
    const isLate = (oldest !== first || loadOfFirst !== 0) && oldest.overtakes >= this.#rules.maxOvertakes;
    // The oldest may be none for this instance.
    const oldestHere = byAge.find((job) => candidate(job).load >= 0);
    if (isLate && oldestHere !== undefined && oldestHere.overtakes >= this.#rules.maxOvertakes) {
      return [candidate(oldestHere, true)];
    }
    if (!isLate && loadOfFirst === 0) return [candidate(first)];
    const heads = inOrder.filter(
      (job, index) => inOrder.findIndex(({ checkpoint }) => checkpoint === job.checkpoint) === index,
    );
    const able = heads.map((job) => candidate(job)).filter(({ load }) => load >= 0);
    return able.filter(({ job }) => job.priority === able[0]?.job.priority);
  }

  #best(near: readonly Candidate[], ask: Ask): Candidate | undefined {
    const [first] = near as [Candidate];
    if (first.load === 0 || first.isOvertaken || this.#rules.patienceMs === 0) return first;
    const late = near.filter(
      ({ job, removed }) => job.key === first.job.key && removed - job.before >= this.#rules.maxOvertakes / 2,
    );
    if (late[0] === first) return leastLoad(late);
    const last = near.at(-1) as Candidate;
    const best = last.load === 0 ? last : this.#worthLoading(near, ask);
    const before = best === undefined ? near : near.slice(0, near.indexOf(best));
    const loadsAnyway = best !== undefined && best.load > 0;
    const overdue = before.find(
      (candidate) => this.#isOverdue(candidate, ask) && (loadsAnyway || this.#mayBeForced(candidate, ask)),
    );
    if (overdue !== undefined) return overdue;
    for (const { job } of before) if (!this.#passedBy.has(line(job))) this.#passedBy.set(line(job), ask.clock);
    return best;
  }

  #isOverdue({ job }: Candidate, { clock }: Ask): boolean {
    const since = this.#passedBy.get(line(job));
    return since !== undefined && clock - since >= this.#rules.patienceMs;
  }

  #mayBeForced({ isNewcomer }: Candidate, { instance, clock }: Ask): boolean {
    if (this.#isPast(instance, clock)) return true;
    if (!isNewcomer || !this.#isPast(`${instance} for newcomers`, clock)) return false;
    this.#loaded.set(`${instance} for newcomers`, clock);
    return true;
  }

  #isPast(field: string, clock: number): boolean {
    const at = this.#loaded.get(field);
    return at === undefined || clock - at >= this.#rules.patienceMs;
  }

  #worthLoading(near: readonly Candidate[], ask: Ask): Candidate | undefined {
    const instances = this.#instances;
    const { names } = instances;
    const all = this.#rules.allWaiting();
    const weighed = near.map((candidate) => {
      const { checkpoint } = candidate.job;
      const holders = names.filter((name) => name !== ask.instance && instances.fit(name, checkpoint) === 0).length;
      const waiting = all.filter((job) => job.checkpoint === checkpoint).length;
      const work = ((waiting + holders) * this.#rules.expectedMs(candidate.job)) / holders;
      const wanted = Math.floor((names.length * waiting) / all.length + 0.5);
      return { candidate, holders, work, isWorth: holders === 0 || work > candidate.load, wanted };
    });
    const worth = weighed.filter(({ isWorth }) => isWorth);
    const wanted = worth.find(({ holders, wanted }) => holders === 0 || holders < wanted);
    return (wanted ?? worth.toSorted((a, b) => b.work - a.work)[0])?.candidate;
  }
}

function leastLoad(candidates: readonly Candidate[]): Candidate | undefined {
  return candidates.toSorted((a, b) => a.load - b.load)[0];
}

function byTurn(a: Choosable, b: Choosable): number {
  return level(a) - level(b) || a.number - b.number;
}

function level({ priority, lod }: Choosable): number {
  return (MAX_PRIORITY - priority) * LODS.length + LODS.indexOf(lod);
}

function line({ checkpoint, key }: Choosable): string {
  return `${checkpoint}|${key}`;
}
