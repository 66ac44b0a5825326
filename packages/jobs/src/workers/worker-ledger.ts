import { setTimeout as delay } from 'node:timers/promises';
import type { RedisSettings } from '@comfy-fleet/config';
import { type InstanceAbilities, newId, type WorkerAnnouncement } from '@comfy-fleet/contracts';
import { createReplication, createSubscriptions, redisTime, takeLease, writeUntilReplicated } from '@comfy-fleet/redis';
import type { Logger } from '@comfy-fleet/telemetry';
import type { Redis } from 'ioredis';
import { orUnavailable, runScript, workerConnection } from '../connection.js';
import { createKeys } from '../keys.js';
import { PoolWorker, type WorkItem } from '../queue/pool-worker.js';
import type { JobError } from '../record/record.js';
import { parseSnapshot } from '../record/snapshots.js';
import { createAbilityReader, publishAbilities } from './abilities.js';
import { announceWorker, readWorkers, withdrawWorker } from './announcements.js';
import type { Claim } from './claim.js';
import { type Halts, readHalts } from './halts.js';
import { heldClaim } from './held-claim.js';
import { type Opinion, sendOpinion, takeOpinions } from './opinions.js';
import { createSharedInputs, type SharedInputs } from './shared-inputs.js';
import { forgetWedge, noteWedge, readWedges, type Wedge } from './wedges.js';

/**
 * How long an instance counts as idle after it was said; an idle worker says it again each time its look for work ends.
 */
const IDLE_LIFE_MS = 2500;
/** How often it is looked whether the process that has our name has ended. */
const NAME_RETRY_MS = 200;
/** How old the answer may be: what is prefetched wrongly in that time is recalled. */
const IDLE_FRESH_MS = 100;
/** How long a work item rests whose claim Redis refused to write. */
const REFUSED_CLAIM_DELAY_MS = 1000;

/** How long the work item rests of a job whose pool is paused, should it be taken before its worker has heard of that. */
const HALTED_DELAY_MS = 1000;

/** After this long a parked job looks by itself whether it may go on; mostly the end of another one calls it before. */
const PARKED_MS = 60_000;

export interface AbandonedPrompt {
  readonly instance: string;
  readonly promptId: string;
}

/** Where one pool's jobs are claimed. */
export interface ClaimSource {
  /**
   * The next job of the pool, or undefined when none came within a second or so; without `block`, when there is none.
   * With `block` to be called one at a time.
   */
  next(options?: { block?: boolean }): Promise<Claim | undefined>;
  /**
   * The jobs that this worker has to look after and that this process does not hold: what a process of its name held
   * when it died, and what others claimed since, whose submission is in one of its instances.
   */
  leftBehind(): AsyncGenerator<Claim>;
  /**
   * Whether another process has said within the last seconds that an instance of the pool stands idle; may be 100 ms
   * old.
   */
  othersIdle(): Promise<boolean>;
  /** Says that instances of ours stand idle, or that they do not any more. */
  noteIdle(instances: readonly string[]): Promise<void>;
  noteBusy(instances: readonly string[]): Promise<void>;
  /** Asks for a job that waits behind another one in some ComfyUI; its holder gives it back into the queue. */
  recall(): Promise<boolean>;
  /** Stops the lock renewal and closes; every claim must have been finished, released or let go before. */
  close(): Promise<void>;
}

/**
 * The ledger as a worker sees it. Methods wait while Redis is away; claims and transitions fail with
 * `queue_unavailable` when it answers but refuses (a full disk, a replica).
 */
export interface WorkerLedger {
  claims(pool: string): Promise<ClaimSource>;
  /**
   * Calls `listener` with the id of a job that this worker holds, or has the submission of, and should look at: its
   * caller wants it stopped, an idle instance asks for it, another worker gave it back. With undefined when such a
   * message may have been missed: then every held job is to be looked at.
   */
  onAttention(listener: (jobId: string | undefined) => void): Promise<void>;
  /** Who has which picture in ComfyUI's input folders. */
  readonly sharedInputs: SharedInputs;
  /** What operators have halted, as it is now. */
  halts(): Promise<Halts>;
  /** Calls `listener` when that may have changed; it may be called late or never, so look from time to time. */
  onHalts(listener: () => void): Promise<void>;
  /**
   * This process is the one of its name from now on. Waits while another one lives that has it. To be called once,
   * before anything is claimed.
   */
  takeName(signal: AbortSignal): Promise<void>;
  /** Answers false, and says nothing, when another process has taken the name since. */
  announce(announcement: WorkerAnnouncement): Promise<boolean>;
  /** Says what an instance can do, to be said again within a day. */
  publish(pools: readonly string[], abilities: InstanceAbilities): Promise<void>;
  /** What the instances of a pool that were seen within a day can do; may be 2 s old. */
  abilities(pool: string): Promise<readonly InstanceAbilities[]>;
  /** Tells the worker of an instance what became elsewhere of a job that failed there. */
  sendOpinion(opinion: Opinion): Promise<void>;
  /** What was found out about this worker's instances since it asked last. */
  takeOpinions(): Promise<readonly Opinion[]>;
  /** Submissions that may still be in this worker's instances although no job wants them any more. */
  abandoned(): Promise<readonly AbandonedPrompt[]>;
  /** They were stopped, or are not there. */
  forgetAbandoned(prompts: readonly AbandonedPrompt[]): Promise<void>;
  /** The instances of this worker that were noted as wedged, by this process or one before it. */
  wedges(): Promise<readonly Wedge[]>;
  noteWedge(wedge: Wedge): Promise<void>;
  forgetWedge(instance: string): Promise<void>;
  withdraw(): Promise<void>;
  /** The live workers of the fleet, this one included. */
  workers(): Promise<readonly WorkerAnnouncement[]>;
  /** Resolves while Redis answers. */
  ping(signal: AbortSignal): Promise<void>;
  close(): Promise<void>;
}

export interface WorkerLedgerOptions {
  readonly redis: RedisSettings;
  readonly worker: string;
  readonly jobTtlSeconds: number;
  /** Times a worker may die holding a job before the ledger itself fails it with `worker_killed`. */
  readonly maxWorkerDeaths: number;
  readonly lockMs: number;
  readonly stalledCheckMs: number;
  /** Interval of the announcements; three missed ones and the worker counts as gone. */
  readonly announceSeconds: number;
  readonly log: Logger;
}

export function createWorkerLedger(options: WorkerLedgerOptions): WorkerLedger {
  const { log, worker, maxWorkerDeaths } = options;
  const keys = createKeys(options.redis.prefix);
  // Two processes of one name would take each other's jobs for their own.
  const process = newId();
  const nameTask = `name-${worker}`;
  const lifeMs = options.announceSeconds * 3000;
  /** What is compared between hosts is by Redis' clock. */
  let clockOffsetMs = 0;
  const redisNow = () => Date.now() + clockOffsetMs;
  const redis = workerConnection(options.redis, log);
  const readAbilities = createAbilityReader(redis, keys);
  let haltsChanged = () => {};
  const subscriptions = createSubscriptions(workerConnection(options.redis, log), keys.pools, log);
  // What waits for replicas must not hold up the rest.
  const submitting = options.redis.wait === undefined ? redis : workerConnection(options.redis, log);
  const replication = createReplication(submitting, keys.replicated, options.redis.wait, log);
  const isNameInUse = async () => {
    const [, subscribers] = await redis.pubsub('NUMSUB', keys.workerChannel(worker));
    return Number(subscribers) > 0 && (await redis.exists(keys.lease(nameTask))) === 1;
  };
  type Call = [name: Parameters<typeof runScript>[1], id: string, args: readonly (string | number)[]];
  const runOn = (at: Redis, ...[name, id, args]: Call) =>
    orUnavailable(() => runScript(at, name, keys.job(id), [keys.prefix, id, options.jobTtlSeconds * 1000, ...args]));
  const run = (...call: Call) => runOn(redis, ...call);

  return {
    claims: async (pool) => {
      const { lockMs, stalledCheckMs } = options;
      const poolWorker = new PoolWorker({ redis, keys, pool, lockMs, stalledCheckMs, log });
      await poolWorker.begin();
      let othersIdle = false;
      let idleAskedAt = Number.NEGATIVE_INFINITY;
      const claim = async (item: WorkItem): Promise<Claim | 'halted' | undefined> => {
        const tooManyDeaths = JSON.stringify(workerKilled(maxWorkerDeaths));
        const reply = await run('claim', item.id, [worker, item.token, maxWorkerDeaths, tooManyDeaths]).catch(
          (error: unknown) => {
            // Otherwise its lock would be renewed for as long as this process lives.
            item.giveBack(REFUSED_CLAIM_DELAY_MS);
            throw error;
          },
        );
        const [verdict, written] = reply as ['ok', unknown] | ['ended'] | ['parked'] | ['halted'];
        if (verdict === 'halted') {
          item.giveBack(HALTED_DELAY_MS);
          haltsChanged();
          return 'halted';
        }
        if (verdict === 'parked') {
          item.giveBack(PARKED_MS, async () => {
            await run('unpark', item.id, []).catch((error: unknown) => {
              log.debug('a parked job looks by itself whether it may go on', { job: item.id, error });
            });
          });
          return undefined;
        }
        const record = verdict === 'ok' ? parseSnapshot(written)?.record : undefined;
        if (record === undefined) {
          item.done();
          return undefined;
        }
        return heldClaim(
          record,
          item,
          (name, args) =>
            name === 'submit'
              ? orUnavailable(() => writeUntilReplicated(replication, () => runOn(submitting, name, record.id, args)))
              : run(name, record.id, args),
          async () => {
            const [, listeners] = await redis.pubsub('NUMSUB', keys.jobChannel(record.id));
            return Number(listeners) > 0;
          },
        );
      };
      return {
        next: async ({ block = true } = {}) => {
          for (;;) {
            const item = await orUnavailable(() => poolWorker.take({ block }));
            const taken = item && (await claim(item));
            if (taken === 'halted') return undefined;
            // What ended or was parked instead says nothing about those behind it.
            if (item === undefined || taken !== undefined) return taken;
          }
        },
        leftBehind: async function* () {
          for (const id of await orUnavailable(() => redis.smembers(keys.held(worker)))) {
            if (poolWorker.has(id)) continue;
            const item = await orUnavailable(() => poolWorker.reclaim(id, worker));
            const taken = item && (await claim(item));
            if (taken !== undefined && taken !== 'halted') yield taken;
          }
        },
        othersIdle: async () => {
          if (performance.now() > idleAskedAt + IDLE_FRESH_MS) {
            const idle = await redis.zrangebyscore(keys.idle(pool), redisNow(), '+inf');
            othersIdle = idle.some((name) => !name.startsWith(`${worker}/`));
            idleAskedAt = performance.now();
          }
          return othersIdle;
        },
        noteIdle: async (instances) => {
          const until = redisNow() + IDLE_LIFE_MS;
          await redis
            .pipeline()
            .zadd(keys.idle(pool), ...instances.flatMap((name) => [until, name]))
            .zremrangebyscore(keys.idle(pool), 0, redisNow())
            .pexpire(keys.idle(pool), IDLE_LIFE_MS)
            .exec();
        },
        noteBusy: async (instances) => {
          await redis.zrem(keys.idle(pool), ...instances);
        },
        recall: async () => (await runScript(redis, 'recall', keys.ahead(pool), [keys.prefix])) !== '',
        close: () => poolWorker.end(),
      };
    },
    onAttention: async (listener) => {
      await subscriptions.listen(keys.workerChannel(worker), listener);
    },
    sharedInputs: createSharedInputs(redis, keys),
    halts: () => orUnavailable(() => readHalts(redis, keys)),
    onHalts: async (listener) => {
      haltsChanged = listener;
      await subscriptions.listen(keys.haltsChannel, listener);
    },
    takeName: async (signal) => {
      // A dead one's connection is closed at once, or if its host died its lease lapses.
      for (let said = false; await isNameInUse(); await delay(NAME_RETRY_MS, undefined, { signal })) {
        if (!said) log.warn('another worker of this name still runs; waiting until it has ended', { name: worker });
        said = true;
      }
      await redis.set(keys.lease(nameTask), process, 'PX', lifeMs);
    },
    announce: async (announcement) => {
      if (!(await takeLease(redis, keys.lease(nameTask), process, lifeMs))) return false;
      clockOffsetMs = (await redisTime(redis)) - Date.now();
      await announceWorker(redis, keys, announcement, { lifeMs, now: redisNow() });
      return true;
    },
    publish: (pools, abilities) => publishAbilities(redis, keys, pools, abilities),
    abilities: (pool) => readAbilities(pool),
    sendOpinion: (opinion) => sendOpinion(redis, keys, opinion),
    takeOpinions: () => takeOpinions(redis, keys, worker),
    abandoned: async () => {
      const members = await redis.smembers(keys.abandoned(worker));
      return members.map((member) => {
        const [instance = '', promptId = ''] = member.split(' ');
        return { instance, promptId };
      });
    },
    forgetAbandoned: async (prompts) => {
      const members = prompts.map(({ instance, promptId }) => `${instance} ${promptId}`);
      if (members.length > 0) await redis.srem(keys.abandoned(worker), ...members);
    },
    wedges: () => orUnavailable(() => readWedges(redis, keys, worker)),
    noteWedge: (wedge) => orUnavailable(() => noteWedge(redis, keys, worker, wedge)),
    forgetWedge: (instance) => orUnavailable(() => forgetWedge(redis, keys, worker, instance)),
    withdraw: async () => {
      if (!(await takeLease(redis, keys.lease(nameTask), process, lifeMs))) return;
      await withdrawWorker(redis, keys, worker);
      await redis.del(keys.lease(nameTask));
    },
    workers: () => readWorkers(redis, keys),
    ping: async (signal) => {
      signal.throwIfAborted();
      const aborted = new Promise<never>((_, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason), { once: true });
      });
      await Promise.race([redis.ping(), aborted]);
    },
    close: async () => {
      subscriptions.close();
      submitting.disconnect();
      redis.disconnect();
    },
  };
}

function workerKilled(deaths: number): JobError {
  const detail = `The worker died ${deaths} times while it held this job, so it is not tried again.`;
  return { code: 'worker_killed', detail, nodeId: null };
}
