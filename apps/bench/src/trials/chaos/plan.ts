import { createRandom, type Random } from '../../lib/random.js';
import { type PlannedOrders, planOrders } from '../orders/plan-orders.js';
import { withWorkflows } from '../orders/workflow-orders.js';
import { CHAOS, NAMES } from './settings.js';

export interface PlannedKill {
  readonly afterMs: number;
  readonly process: string;
  /** The time between its end and its restart. */
  readonly downMs: number;
}

export interface PlannedFault {
  readonly afterMs: number;
  readonly simulator: string;
  readonly fault: Readonly<Record<string, unknown>> & { readonly kind: string };
}

/** A GPU that becomes sick; see disturb.ts. */
export interface PlannedSickness {
  /** The time since the first job. */
  readonly afterMs: number;
  readonly simulator: string;
  readonly kind: 'cuda_error' | 'hung';
  /** How long a CUDA error lasts. */
  readonly forMs: number;
}

/** Everything that is decided before a run. */
export interface Plan extends PlannedOrders {
  readonly seed: number;
  readonly kills: readonly PlannedKill[];
  readonly faults: readonly PlannedFault[];
  readonly sicknesses: readonly PlannedSickness[];
  /** The simulators with a card for which texts are encoded ahead. */
  readonly smallCards: readonly string[];
  /** The time from the first job to the last kill. */
  readonly lengthMs: number;
}

/** How long kills continue after the last job was posted. */
const TAIL_MS = 4000;

export function makePlan(seed: number, count: number): Plan {
  const { callers, jobs: pictures } = planOrders(seed, count);
  const jobs = withWorkflows(pictures, createRandom(seed, 9));
  const lengthMs = jobs.reduce((sum, { afterMs }) => sum + afterMs, TAIL_MS);
  return {
    callers,
    jobs,
    seed,
    kills: fill(lengthMs, createRandom(seed, 1), planKill),
    faults: fill(lengthMs, createRandom(seed, 2), planFault),
    sicknesses: planSicknesses(createRandom(seed, 7), lengthMs),
    smallCards: planSmallCards(createRandom(seed, 10)),
    lengthMs,
  };
}

function fill<T extends { afterMs: number }>(lengthMs: number, random: Random, draw: (random: Random) => T): T[] {
  const drawn: T[] = [];
  for (let at = 0; ; ) {
    const next = draw(random);
    at += next.afterMs;
    if (at >= lengthMs) return drawn;
    drawn.push(next);
  }
}

const KILLABLE = {
  redis: ['redis'],
  api: NAMES.apis,
  worker: NAMES.workers,
  simulator: NAMES.simulators,
  dispatcher: NAMES.dispatchers,
} as const;

function planKill(random: Random): PlannedKill {
  const role = random.weighted({ redis: 2, api: 2, worker: 5, simulator: 5, dispatcher: 4 });
  // Some workers are down for so long that others take over their submissions.
  const long = role === 'worker' && random.chance(15);
  return {
    afterMs: random.int(1000, 3000),
    process: random.pick(KILLABLE[role]),
    downMs: long ? CHAOS.adoptWaitSeconds * 1000 + random.int(500, 3000) : random.int(0, 800),
  };
}

/** Makes one GPU sick in each way, early enough that it still gets jobs. */
function planSicknesses(random: Random, lengthMs: number): PlannedSickness[] {
  const first = random.int(0, NAMES.simulators.length - 1);
  const other = (first + random.int(1, NAMES.simulators.length - 1)) % NAMES.simulators.length;
  const early = () => Math.round((lengthMs * random.int(5, 50)) / 100);
  return [
    {
      afterMs: early(),
      simulator: NAMES.simulators[first] as string,
      kind: 'cuda_error',
      forMs: random.int(3000, 8000),
    },
    { afterMs: early(), simulator: NAMES.simulators[other] as string, kind: 'hung', forMs: 0 },
  ];
}

/** Consecutive ones, because versions alternate. */
function planSmallCards(random: Random): string[] {
  const { simulators } = NAMES;
  const first = random.int(0, simulators.length - 1);
  return [...simulators, ...simulators].slice(first, first + CHAOS.smallCards);
}

const FAULTS = {
  silent_socket: 4,
  error_after_accepting: 4,
  reset_before_accepting: 3,
  reset_after_accepting: 4,
  slow_view: 4,
  out_of_memory: 2,
  lost_history: 3,
  node_error: 1,
  hang: 1,
} as const;

function planFault(random: Random): PlannedFault {
  const kind = random.weighted(FAULTS);
  const more =
    kind === 'slow_view'
      ? { ms: random.int(100, 1500), bytes_per_second: random.int(5, 50) * 1000 }
      : kind === 'out_of_memory'
        ? { cleared_by_free: random.chance(50) }
        : {};
  return {
    afterMs: random.int(300, 1500),
    simulator: random.pick(NAMES.simulators),
    fault: { kind, times: 1, ...more },
  };
}
