import { LODS, MAX_PRIORITY, MIN_PRIORITY, newId } from '@comfy-fleet/contracts';
import { createRandom, type Random } from '../../lib/random.js';
import type { SimulatedJob, Simulation } from './simulation.js';

/** Jobs of competing keys. */
export interface Scenario extends Simulation {
  readonly what: string;
  readonly weights: ReadonlyMap<string, number>;
}

export interface ScenarioSize {
  readonly claims: number;
  /** The number of jobs of the key with very many. */
  readonly many: number;
}

const SEED = 13;
const INSTANCES = 4;
const MID_MS = 6000;
const FINAL_MS = 8000;
/** The variation of durations, in per cent. */
const JITTER_PERCENT = 20;
const AT_A_TIME = 10;

const LEVELS = LODS.flatMap((lod) =>
  Array.from({ length: MAX_PRIORITY - MIN_PRIORITY + 1 }, (_, n) => ({ lod, priority: MIN_PRIORITY + n })),
);

type Kind = Partial<Pick<SimulatedJob, 'lod' | 'priority'>> & { readonly ms?: number };

/** A job of a key with about the given duration. */
function someJob(random: Random, key: string, { lod = 'mid', priority = 0, ms = MID_MS }: Kind = {}): SimulatedJob {
  const percent = random.int(100 - JITTER_PERCENT, 100 + JITTER_PERCENT);
  return { id: newId(), key, lod, priority, gpuMs: Math.round((ms * percent) / 100) };
}

const times = <T>(count: number, make: (n: number) => readonly T[]) =>
  Array.from({ length: count }, (_, n) => make(n)).flat();

/** Two keys, a and b, both with a backlog. */
export function pairScenarios({ claims, many }: ScenarioSize): Scenario[] {
  const random = createRandom(SEED, 0);
  const some = (key: string, count: number, kind?: Kind) => times(count, () => [someJob(random, key, kind)]);
  const common = { instances: INSTANCES, claims, weights: weightsOf(1, 1) };
  const spread = () => [...LEVELS.map((level) => someJob(random, 'a', level)), ...some('b', 1)];
  return [
    {
      ...common,
      what: `a on ${LEVELS.length} levels, b on one`,
      jobs: [...times(Math.ceil(claims / LEVELS.length), spread), ...some('b', claims)],
    },
    {
      ...common,
      what: 'weights 1 : 3',
      weights: weightsOf(1, 3),
      jobs: times(claims, () => [...some('a', 1), ...some('b', 1)]),
    },
    {
      ...common,
      what: 'a sketches, b finals 8 times as long',
      jobs: times(claims, () => [
        ...some('a', 1, { lod: 'sketch', ms: FINAL_MS / 8 }),
        ...some('b', 1, { lod: 'final', ms: FINAL_MS }),
      ]),
    },
    {
      ...common,
      what: `a sends ${many}, b ${AT_A_TIME} at a time`,
      jobs: [...some('a', many), ...some('b', AT_A_TIME)],
      following: (key) => some(key, AT_A_TIME),
    },
  ];
}

function weightsOf(a: number, b: number): ReadonlyMap<string, number> {
  return new Map([
    ['a', a],
    ['b', b],
  ]);
}

const KINDS = [
  { lod: 'sketch', ms: 1000 },
  { lod: 'mid', ms: 3000 },
  { lod: 'final', ms: FINAL_MS },
] as const;
const CROWD_INSTANCES = 8;

/** Many keys of equal weight, each with one kind of jobs, some with two or three times as many jobs as others. */
export function crowdScenario(keys: number, msEach: number): Scenario {
  const random = createRandom(SEED, 1);
  const names = Array.from({ length: keys }, (_, n) => `key-${n}`);
  const kindOf = (n: number) => KINDS[n % KINDS.length] ?? KINDS[0];
  // Each key has at least twice the jobs of its share.
  const jobs = names.flatMap((key, n) => {
    const count = 2 * (1 + random.int(0, 2)) * Math.ceil(msEach / kindOf(n).ms);
    return times(count, () => [{ at: random.int(0, 1e6), job: someJob(random, key, kindOf(n)) }]);
  });
  const claims = names.reduce((sum, _, n) => sum + Math.floor(msEach / kindOf(n).ms), 0);
  return {
    what: `${keys} keys`,
    instances: CROWD_INSTANCES,
    weights: new Map(names.map((key) => [key, 1])),
    jobs: jobs.sort((a, b) => a.at - b.at).map(({ job }) => job),
    claims,
  };
}

/** Very many jobs of the given number of keys. */
export function flood(keys: number, jobs: number): SimulatedJob[] {
  const random = createRandom(SEED, 2);
  return times(jobs, (n) => [someJob(random, `flood-${n % keys}`)]);
}

export function loneJob(n: number): SimulatedJob {
  return someJob(createRandom(SEED, 3), `${n % 2 === 0 ? 'a' : 'z'}-new-${n}`);
}
