import { LODS } from '@comfy-fleet/contracts';
import { describe, expect, it } from 'vitest';
import { activeAt, type Judgement, judge } from '../src/alerts/alerts.js';
import type { AlertFacts } from '../src/alerts/rule.js';
import type { Sample } from '../src/history/history.js';
import type { FleetFigures } from '../src/index.js';
import { anAnnouncement } from './builders.js';

const MINUTE = 60_000;
const T = 1_800_000_000_000;

const REDIS: FleetFigures['redis'] = {
  version: '8.0.0',
  mode: 'standalone',
  role: 'master',
  evictionPolicy: 'noeviction',
  aof: true,
  aofWritesGoWell: true,
  memoryBytes: 1,
  memoryMaxBytes: 0,
  replicas: 0,
};

function figuresOf(overrides: Partial<FleetFigures> = {}): FleetFigures {
  return {
    now: T,
    totals: [],
    pools: [],
    workers: [],
    halts: { fleet: undefined, pools: new Map(), instances: new Map() },
    slowness: new Map(),
    shares: [],
    keyBytes: [],
    webhooks: { outbox: 0, queued: 0, oldestMs: 0 },
    modelFaults: new Map(),
    redis: REDIS,
    storage: { stored: [], shareBytes: undefined, kinds: {} },
    ...overrides,
  };
}
const NONE = { succeeded: 0, failed: 0, canceled: 0, expired: 0 };
const sampleAt = (at: number, mid: Partial<typeof NONE> = {}): Sample => ({
  at,
  waiting: 0,
  running: 0,
  instancesUp: 0,
  ended: { ...Object.fromEntries(LODS.map((lod) => [lod, NONE])), mid: { ...NONE, ...mid } } as Sample['ended'],
  gpuSeconds: {},
});
const factsOf = (figures: Partial<FleetFigures>, more: Partial<AlertFacts> = {}): AlertFacts => ({
  figures: figuresOf(figures),
  samples: [sampleAt(T)],
  freeBytes: undefined,
  replicasWanted: 0,
  ...more,
});
type Instance = ReturnType<typeof anAnnouncement>['instances'][number];
const workersWith = (instance: Partial<Instance>) => {
  const worker = anAnnouncement();
  return [{ ...worker, instances: worker.instances.map((one) => ({ ...one, ...instance })) }];
};
const down = factsOf({ workers: workersWith({ state: 'down' }) });
const namesOf = (facts: AlertFacts) => judge(facts, undefined, T).found.map(({ name }) => name);

describe('an alert', () => {
  it('is active once its condition has held for as long as its rule demands, and says since when', () => {
    let judged: Judgement | undefined;
    for (let at = T; at < T + 10 * MINUTE; at += MINUTE) {
      judged = judge(down, judged, at);
      expect(activeAt(judged, at)).toEqual([]);
    }
    judged = judge(down, judged, T + 10 * MINUTE);
    expect(activeAt(judged, T + 10 * MINUTE)).toEqual([
      {
        name: 'InstanceDown',
        severity: 'warning',
        summary: 'ComfyUI w1/0 is down',
        subject: { instance: 'w1/0' },
        since: T,
      },
    ]);
  });

  it('starts again after its condition did not hold', () => {
    const before = judge(down, undefined, T);
    const between = judge(factsOf({}), before, T + MINUTE);
    const again = judge(down, between, T + 11 * MINUTE);
    expect(again.found).toMatchObject([{ since: T + 11 * MINUTE }]);
  });

  it('is listed after critical alerts, and after older ones', () => {
    const facts = factsOf({
      redis: { ...REDIS, evictionPolicy: 'allkeys-lru', memoryBytes: 9, memoryMaxBytes: 10 },
      workers: workersWith({ state: 'down' }),
    });
    const first = judge(down, undefined, T);
    const judged = judge(facts, judge(facts, first, T + MINUTE), T + 20 * MINUTE);
    const names = activeAt(judged, T + 20 * MINUTE).map(({ name }) => name);
    expect(names).toEqual(['RedisMayEvict', 'InstanceDown', 'RedisMemoryHigh']);
  });

  it('reports that nobody judges the rules any more, and omits alerts of unknown versions', () => {
    const judged = { at: T, found: [{ name: 'OfTomorrow', subject: {}, since: 0 }] };
    expect(activeAt(judged, T + 5 * MINUTE - 1)).toEqual([]);
    expect(activeAt(judged, T + 5 * MINUTE)).toMatchObject([{ name: 'DispatcherAbsent', since: T }]);
  });
});

describe('a rule', () => {
  it('finds nothing in a healthy fleet', () => {
    expect(namesOf(factsOf({ workers: workersWith({}) }, { freeBytes: 10 * 1024 ** 3 }))).toEqual([]);
  });

  it('omits drained instances, and does not count resting ones as down', () => {
    const halts = { fleet: undefined, pools: new Map(), instances: new Map([['w1/0', { since: T, by: 'anna' }]]) };
    expect(namesOf(factsOf({ workers: workersWith({ state: 'down' }), halts }))).toEqual([
      'InstanceDrainedAndForgotten',
    ]);
    const rest = { until: T, count: 1, code: 'out_of_memory', error: 'No memory.' } as const;
    const resting = factsOf({ workers: workersWith({ state: 'resting', rests: [{ ...rest, scope: {} }] }) });
    expect(judge(resting, undefined, T).found).toMatchObject([
      { name: 'InstanceRests', subject: { instance: 'w1/0', code: 'out_of_memory' } },
    ]);
    const inPart = factsOf({ workers: workersWith({ rests: [{ ...rest, scope: { workflow: 'text2img' } }] }) });
    expect(namesOf(inPart)).toEqual(['InstanceRestsInPart']);
  });

  it('counts an instance that somebody else occupies as occupied, not as down', () => {
    expect(namesOf(factsOf({ workers: workersWith({ state: 'occupied' }) }))).toEqual(['InstanceOccupied']);
  });

  it('finds failing and expiring jobs in the samples of its period', () => {
    const now = sampleAt(T, { succeeded: 98, failed: 12, expired: 1 });
    const before = sampleAt(T - 4 * MINUTE, { succeeded: 90, failed: 11, expired: 1 });
    expect(namesOf(factsOf({}, { samples: [now, before] }))).toEqual(['JobsFail']);
    const longBefore = sampleAt(T - 16 * MINUTE);
    expect(namesOf(factsOf({}, { samples: [now, longBefore] }))).toEqual([]);
    const quarter = sampleAt(T - 14 * MINUTE, { succeeded: 90, failed: 11 });
    expect(namesOf(factsOf({}, { samples: [now, quarter] }))).toEqual(['JobsExpire']);
  });

  it('judges waits and shares only while the fleet is not paused', () => {
    const share = {
      key: 'anna',
      weight: 1,
      gpuMsMinute: 0,
      gpuMsHour: 1,
      shareMinute: 0,
      shareHour: 0.1,
      fairShare: 0.5,
      waiting: 1,
      oldestWaitMs: 4_000_000,
      oldestTurnMs: 4_000_000,
    };
    expect(namesOf(factsOf({ shares: [share] }))).toEqual(['KeyWaitsLongerThanPromised', 'KeyBelowItsShare']);
    const halts = { fleet: { since: T, by: 'anna' }, pools: new Map(), instances: new Map() };
    expect(namesOf(factsOf({ shares: [share], halts }))).toEqual(['FleetPausedAndForgotten']);
  });

  it('judges pools, webhooks, disks and replicas by their numbers', () => {
    const lane = { lod: 'sketch', waiting: 1, claimed: 0, running: 0, parked: 0, oldestMs: 61_000 } as const;
    const counts = {
      waitingKeys: [],
      inWork: [],
      open: 1,
      waiting: 1,
      running: 0,
      backlog: { jobs: 0, ms: 0 },
      backlogMs: 0,
      instances: 0,
      occupied: 0,
    };
    const pool = { pool: 'big', lods: [lane], ...counts, durations: new Map(), workers: 1, paused: true };
    const facts = factsOf(
      {
        pools: [pool],
        webhooks: { outbox: 101, queued: 0, oldestMs: 61_000 },
        modelFaults: new Map([['no_space', 2]]),
      },
      { freeBytes: 1024 ** 3 - 1, replicasWanted: 1 },
    );
    expect(namesOf(facts)).toEqual([
      'QueueOlderThanPromised',
      'PoolDownWhileJobsWait',
      'PoolPausedAndForgotten',
      'ModelFetchesFail',
      'WebhooksWait',
      'OutboxStuck',
      'FramesDiskLow',
      'FramesDiskFull',
      'ReplicasMissing',
    ]);
  });
});
