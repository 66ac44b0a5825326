import type { Redis } from 'ioredis';
import { orUnavailable, runScript } from '../connection.js';
import type { Keys } from '../keys.js';
import type { PoolWorker } from '../queue/pool-worker.js';
import { parseSnapshot } from '../record/snapshots.js';
import { workerKilled } from '../record/worker-killed.js';
import type { Claim } from './claim.js';
import { type Asker, type Fits, sayFits, writeRefusals } from './fits.js';
import type { ClaimHolder } from './hold-claim.js';
import type { RedisClock } from './redis-clock.js';

export interface NextClaimOptions {
  readonly redis: Redis;
  readonly keys: Keys;
  readonly pool: string;
  readonly worker: string;
  readonly jobTtlSeconds: number;
  readonly lockMs: number;
  readonly maxWorkerDeaths: number;
  /** So many later jobs of its key may pass a job by. */
  readonly maxOvertakes: number;
  /** How long a job may be passed by for those for which an instance has to load less. */
  readonly modelPatienceMs: number;
  readonly fits: Fits;
  /** This host's own clock, ms since 1970. */
  readonly now: () => number;
  readonly clock: RedisClock;
  /** To be called when the pool turns out to be paused. */
  readonly foundHalted: () => void;
}

export interface NextClaims {
  /** The job that the instance is to have; 'left' when jobs wait, but not for it; undefined when there is none. */
  nextFor(asker: Asker): Promise<Claim | 'left' | undefined>;
  /**
   * The job whose turn it is, whoever can run it; undefined when none came within a second or so, without `block` when
   * there is none.
   */
  next(options?: { block?: boolean }): Promise<Claim | undefined>;
  /** Resolves when there may be a job, after a second or so at the latest. To be called one at a time. */
  untilWork(): Promise<void>;
}

/** How often an instance is asked in one look; what it has said counts in the next one. Others are to have their turn. */
const MOST_ASKED = 50;

type Reply =
  | readonly ['ok', unknown]
  | readonly ['none' | 'left', string]
  | readonly ['halted']
  | readonly ['unknown', ...string[]]
  | readonly ['again', number];

/** Claims the jobs of a pool in the order of service. */
export function createNextClaims(options: NextClaimOptions, poolWorker: PoolWorker, hold: ClaimHolder): NextClaims {
  const { redis, keys, pool, worker, jobTtlSeconds, lockMs, maxWorkerDeaths, maxOvertakes, modelPatienceMs } = options;
  const tooManyDeaths = JSON.stringify(workerKilled(maxWorkerDeaths));
  let nextReturn: number | undefined;

  const ask = (token: string, asker: Asker | undefined, lookedAt: number) => {
    const named = {
      pool,
      ended_life: jobTtlSeconds * 1000,
      worker,
      token,
      lock_ms: lockMs,
      most_deaths: maxWorkerDeaths,
      too_many_deaths: tooManyDeaths,
      most_overtakes: maxOvertakes,
      // BullMQ has a job rest until a moment of our clock, not of Redis'; what was passed by others count on.
      worker_clock: options.now(),
      instance: asker?.name ?? '',
      patience: modelPatienceMs,
      from: lookedAt,
      clock: options.clock.now(),
      refusals: writeRefusals(asker),
    };
    return orUnavailable(() => runScript(redis, 'next', keys.open(pool), keys.prefix, named)) as Promise<Reply>;
  };
  const look = async (asker: Asker | undefined): Promise<Claim | 'left' | undefined> => {
    let lookedAt = 0;
    let asked = 0;
    for (;;) {
      const token = poolWorker.newToken();
      const reply = await ask(token, asker, lookedAt);
      switch (reply[0]) {
        case 'ok': {
          const record = parseSnapshot(reply[1])?.record;
          if (record !== undefined) return hold(record, poolWorker.hold(record.id, token));
          break;
        }
        case 'unknown':
          if (asker === undefined || asked === MOST_ASKED) return 'left';
          asked += 1;
          await sayFits(options.fits, asker, reply.slice(1));
          break;
        case 'again':
          lookedAt = reply[1];
          break;
        case 'halted':
          nextReturn = undefined;
          options.foundHalted();
          return undefined;
        default:
          nextReturn = Number(reply[1]) || undefined;
          return reply[0] === 'left' ? 'left' : undefined;
      }
    }
  };
  const lookForAny = async () => {
    const claim = await look(undefined);
    return claim === 'left' ? undefined : claim;
  };
  const untilWork = () => poolWorker.untilWork(nextReturn);
  return {
    nextFor: (asker) => poolWorker.during(() => look(asker)),
    next: ({ block = true } = {}) =>
      poolWorker.during(async () => {
        const claim = await lookForAny();
        if (claim !== undefined || !block) return claim;
        await untilWork();
        return lookForAny();
      }),
    untilWork: () => poolWorker.during(untilWork),
  };
}
