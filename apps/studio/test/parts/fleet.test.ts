import type { FleetStatus } from '@comfy-fleet/client';
import { describe, expect, it } from 'vitest';
import { type Instance, instancesOf, isUp, mostUrgent, timeInState } from '../../src/fleet/instances.js';
import { keysOf, minutesOf } from '../../src/fleet/minutes.js';
import { consequencesOf, type FleetSnapshot } from '../../src/fleet/pause-consequences.js';
import { groupsOf } from '../../src/fleet/summary.js';
import { count, duration, list, modelName } from '../../src/parts/format.js';

type Known = FleetStatus['workers'][number]['instances'][number];

const AT = Date.parse('2026-11-27T12:00:00Z');
const iso = (seconds: number) => new Date(AT + seconds * 1000).toISOString();

const known = (name: string, part: Partial<Known> = {}): Known => ({
  name,
  pools: ['default'],
  state: 'up',
  since: iso(0),
  reason: null,
  rests: [],
  slowness: null,
  drain: null,
  vram_bytes: null,
  running: null,
  waiting: [],
  collecting: [],
  busy_share: 0,
  jobs_done: 0,
  jobs_failed: 0,
  checkpoint: null,
  models: [],
  encode_ahead: null,
  ...part,
});

const pool = (part: Partial<FleetStatus['pools'][number]> = {}) => ({
  name: 'default',
  open: 0,
  waiting: 0,
  running: 0,
  paused: null,
  instances: 1,
  backlog_seconds: null,
  waiting_for_models: [],
  ...part,
});

const worker = (instances: Known[], draining = false) => ({
  name: 'gpu',
  started_at: iso(0),
  seen_at: iso(0),
  pools: ['default'],
  draining,
  storage_fault: null,
  instances,
});

describe('the list of instances', () => {
  it('has those of running workers, and those that are gone but ran recently or are drained', () => {
    const drain = { state: 'draining', since: iso(0), by: 'ops' } as const;
    const there = [
      known('gpu/10', { running: { job: 'a', since: iso(0) } }),
      known('gpu/2', { drain }),
      known('gpu/1', { state: 'down', reason: 'refused' }),
    ];
    const halts = { instances: [{ name: 'old/1', state: 'gone', since: iso(0), by: 'ops' }] } as const;
    const found = instancesOf({ workers: [worker(there)] }, { instances: [...halts.instances] }, ['gpu/10', 'lost/1']);
    expect(found.map(({ name, state, isDrained }) => [name, state, isDrained])).toEqual([
      ['gpu/1', 'down', false],
      ['gpu/2', 'draining', true],
      ['gpu/10', 'running', false],
      ['lost/1', 'gone', false],
      ['old/1', 'gone', true],
    ]);
    expect(instancesOf({ workers: [worker([known('gpu/1')], true)] }, { instances: [] }, [])[0]?.state).toBe(
      'stopping',
    );
  });
});

describe('how long an instance has been in its state', () => {
  const said = (part: Partial<Known>) => {
    const [instance] = instancesOf({ workers: [worker([known('gpu/1', part)])] }, { instances: [] }, []);
    return instance && timeInState(instance, AT + 180_000);
  };

  it('says for how long it has been up when it is idle', () => {
    expect(said({ jobs_done: 1 })).toBe('up for 3 min');
    expect(said({ running: { job: 'a', since: iso(170) } })).toBe('up for 3 min');
    expect(said({ state: 'down' })).toBe('for 3 min');
    expect(said({ drain: { state: 'drained', since: iso(60), by: 'ops' } })).toBe('for 2 min');
  });
});

describe('alerts on the wall display', () => {
  const alert = (name: string, subject: object, seconds = 0) => ({
    ...{ name, subject, since: iso(seconds), severity: 'warning' as const, runbook: '' },
    summary: `${Object.values(subject)[0] ?? 'It'} is bad`,
  });

  it('are grouped if they differ only in their subject, with the number of further ones', () => {
    const down = Array.from({ length: 6 }, (_, n) => alert('InstanceDown', { instance: `gpu/${n + 1}` }, n));
    const groups = groupsOf([down[0], alert('WebhooksWait', {}), ...down.slice(1)].filter((one) => one !== undefined));
    expect(groups.map(({ first, others }) => [first.summary, first.since, others])).toEqual([
      ['gpu/1 is bad', iso(0), 5],
      ['It is bad', iso(0), 0],
    ]);
  });
});

describe('an instance that runs prompts of others', () => {
  it('counts as up, shows why it is occupied, and can be drained', () => {
    const occupied = known('gpu/1', { state: 'occupied', reason: 'it executes a prompt' });
    const [instance] = instancesOf({ workers: [worker([occupied])] }, { instances: [] }, []);
    expect(instance).toMatchObject({ state: 'occupied', reason: 'it executes a prompt' });
    expect([isUp(instance as Instance), timeInState(instance as Instance, AT + 60_000)]).toEqual([true, 'for 60 s']);
    const drained = { ...occupied, drain: { state: 'drained', since: iso(0), by: 'anna' } } as Known;
    const [halted] = instancesOf({ workers: [worker([drained])] }, { instances: [] }, []);
    expect(halted).toMatchObject({ state: 'drained', isDrained: true });
  });
});

describe('more instances than fit', () => {
  it('are shown with those in trouble first', () => {
    const there = [known('gpu/1'), known('gpu/2'), known('gpu/3', { state: 'wedged' })];
    const all = instancesOf({ workers: [worker(there)] }, { instances: [] }, []);
    expect(mostUrgent(all, 3)).toEqual(all);
    expect(mostUrgent(all, 2).map(({ name }) => name)).toEqual(['gpu/3', 'gpu/1']);
  });
});

describe('the consequences shown before a change', () => {
  const pictureOf = (
    pools: FleetStatus['pools'],
    instances: Known[],
    more: Partial<FleetSnapshot['halts']> = {},
  ): FleetSnapshot => {
    const halts = { paused: null, pools: [], instances: [], ...more };
    const status = { paused: halts.paused, pools, workers: [worker(instances)], shares: [], notes: [] };
    return { status, halts, instances: instancesOf(status, halts, []) };
  };

  it('count jobs that wait, finish, and return to the queue', () => {
    const snapshot = pictureOf([pool({ waiting: 14, running: 1 })], [known('gpu/1', { waiting: ['b'] })]);
    expect(consequencesOf({ action: 'pause', target: { kind: 'fleet' } }, snapshot).slice(0, 3)).toEqual([
      '14 jobs wait and will keep waiting until you resume. New ones are accepted and wait too.',
      '1 running job will be finished.',
      '1 job queued behind them in a ComfyUI will return to the queue.',
    ]);
  });

  it('warn that a pool is left without an instance', () => {
    const drain = { action: 'pause', target: { kind: 'instance', name: 'gpu/1' } } as const;
    const alone = pictureOf([pool({ waiting: 2 })], [known('gpu/1'), known('gpu/2', { state: 'down' })]);
    expect(consequencesOf(drain, alone)).toContain(
      '2 jobs wait in the pool default, and no other instance of it is up: its jobs will not run.',
    );
    const two = pictureOf([pool()], [known('gpu/1'), known('gpu/2')]);
    expect(consequencesOf(drain, two)).toContain('No job waits in the pool default, which has 1 other instance up.');
  });

  it('say what stays paused or drained after a resume', () => {
    const by = { since: iso(0), by: 'ops' };
    const halts = {
      paused: by,
      pools: [{ name: 'xl', ...by }],
      instances: [{ name: 'gpu/1', state: 'drained' as const, ...by }],
    };
    const snapshot = pictureOf([pool({ waiting: 1 })], [known('gpu/1')], halts);
    expect(consequencesOf({ action: 'resume', target: { kind: 'fleet' } }, snapshot)).toEqual([
      '1 job waits.',
      '1 instance takes jobs at once.',
      'Still paused separately: the pool xl.',
      'Still drained: gpu/1.',
    ]);
    expect(consequencesOf({ action: 'resume', target: { kind: 'instance', name: 'gpu/1' } }, snapshot).at(-1)).toBe(
      'The whole fleet is paused too: nothing starts until you resume it.',
    );
  });
});

describe('the history', () => {
  it('is combined by minutes, with the GPUs of each key', () => {
    const sample = (seconds: number, gpu_seconds: Record<string, number>, completed: number) => ({
      at: iso(seconds),
      waiting: seconds,
      running: 1,
      completed,
      failed: 0,
      canceled: 0,
      instances_up: 2,
      gpu_seconds,
    });
    const samples = [sample(0, { web: 15 }, 1), sample(15, { web: 15, other: 30 }, 2), sample(60, {}, 4)];
    const slots = minutesOf({ step_seconds: 15, samples });
    expect([slots.length, slots[0]]).toEqual([60, { at: AT - 58 * 60_000, minute: undefined }]);
    expect(slots.slice(-2).map(({ at, minute }) => [(at - AT) / 1000, minute])).toMatchObject([
      [0, { waiting: 15, completed: 3, gpus: { web: 1, other: 1 } }],
      [60, { waiting: 60, completed: 4, gpus: {} }],
    ]);
    expect(minutesOf({ step_seconds: 15, samples: [] })).toEqual([]);
    expect(keysOf(slots)).toEqual(['web', 'other']);
  });
});

describe('formatted texts', () => {
  it('count, measure and name', () => {
    expect([count(1, 'job'), count(2000, 'job'), count(0, 'job waits', 'jobs wait')]).toEqual([
      '1 job',
      '2,000 jobs',
      '0 jobs wait',
    ]);
    expect([-1, 4.26, 45.4, 200, 7200, 260_000].map(duration)).toEqual([
      '0 s',
      '4.3 s',
      '45 s',
      '3 min',
      '2 h',
      '3 days',
    ]);
    expect([list([]), list(['a']), list(['a', 'b', 'c'])]).toEqual(['', 'a', 'a, b and c']);
    expect(modelName('xl/sd_xl_base_1.0.safetensors')).toBe('sd_xl_base_1.0');
  });
});
