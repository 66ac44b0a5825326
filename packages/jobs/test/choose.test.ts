import { LODS } from '@comfy-fleet/contracts';
import { describe, expect, it } from 'vitest';
import { type Chooser, choose, chooseSome, NEEDS_NO_MODELS, type Rules } from '../src/scheduling/choose.js';
import { type BehindJob, chooseBehind } from '../src/scheduling/choose-behind.js';
import type { Demand, NearJob, NearKey, NearQueue, NearSnapshot } from '../src/scheduling/snapshot.js';

const NOW = 1_000_000_000;
const RULES: Rules = { maxOvertakes: 100, patienceMs: 30_000 };
const W1: Chooser = { name: 'w/1' };

/** Jobs of one priority and level of detail; `level`: how many levels they are below the first. */
const sequence = (number: number, level = 0) => level * 1e12 + number;

function aJob(id: string, { sequence = 0, ...over }: Partial<NearJob> = {}): NearJob {
  const usual = { expectedMs: 10_000, weight: 1, mostTaken: 9, failedOn: [], wantedBy: undefined, encoding: undefined };
  return { id, sequence, ...usual, ...over };
}

/** A queue with the demand for its models, which the snapshot keeps separately. */
type Weighed = NearQueue & Demand;

function aQueue(jobs: readonly NearJob[], over: Partial<Weighed> = {}): Weighed {
  const affinity = over.affinity ?? 'a';
  return {
    name: `${affinity} of ${jobs[0]?.id}`,
    affinity,
    jobs,
    loadMs: 0,
    passedOverAt: undefined,
    holders: 0,
    waiting: 1,
    leftTo: [],
    ...over,
  };
}

function aKey(name: string, queues: readonly NearQueue[], over: Partial<NearKey> = {}): NearKey {
  return { name, time: 0, inWorkMs: 10_000, removed: 0, inWork: 0, queues, ...over };
}

function aSnapshot(keys: readonly NearKey[], over: Partial<NearSnapshot> = {}): NearSnapshot {
  return {
    now: NOW,
    paused: false,
    returned: [],
    keys,
    next: undefined,
    isCut: false,
    loadedAt: undefined,
    returnsAt: undefined,
    demand: new Map(keys.flatMap(({ queues }) => queues.map((queue) => [queue.affinity, queue as Weighed]))),
    ...over,
  };
}

/** The chosen job's id, or why there is none. */
function chosen(snapshot: NearSnapshot, chooser = W1, rules = RULES): string {
  const choice = choose(snapshot, chooser, rules);
  if (choice.kind === 'waiting') return choice.chosen.job.id;
  return choice.kind === 'returned' ? choice.id : choice.kind;
}

/** A snapshot of one key whose jobs need these loading times, in order; none was passed over yet. */
const queuesOf = (loads: Readonly<Record<string, number>>, over: Partial<Weighed> = {}) =>
  Object.entries(loads).map(([id, loadMs], n) =>
    aQueue([aJob(id, { sequence: sequence(n) })], { affinity: id, loadMs, holders: 0, ...over }),
  );

describe('jobs without models', () => {
  const none = aKey('anna', [aQueue([aJob('none')], { affinity: 'none', loadMs: NEEDS_NO_MODELS })], { time: 5 });

  it('come in their turn, but are no reason to pass over a job that needs loading', () => {
    const load = aKey('bert', [aQueue([aJob('load')], { affinity: 'big', loadMs: 3000 })]);
    expect(chosen(aSnapshot([load, none]))).toBe('load');
    expect(chosen(aSnapshot([none, { ...load, time: 10 }]))).toBe('none');
  });

  it('come first if the instance should not load for the job before them', () => {
    const load = aKey('bert', [aQueue([aJob('load')], { affinity: 'big', loadMs: 60_000, holders: 1 })]);
    expect(chosen(aSnapshot([load, none]))).toBe('none');
  });
});

describe('returned jobs and pauses', () => {
  const returned = [
    { id: 'claimed', begun: false },
    { id: 'submitted', begun: true },
  ];
  const waiting = [aKey('anna', [aQueue([aJob('waiting')])])];

  it('gives a job that a worker held before, ahead of all others', () => {
    expect(chosen(aSnapshot(waiting, { returned }))).toBe('claimed');
  });

  it('gives only a job that may have a prompt in a ComfyUI or is being canceled during a pause', () => {
    expect(chosen(aSnapshot(waiting, { returned, paused: true }))).toBe('submitted');
    expect(chosen(aSnapshot(waiting, { returned: returned.slice(0, 1), paused: true }))).toBe('paused');
  });
});

describe('between keys', () => {
  const keyAt = (name: string, time: number, over: Partial<NearKey> = {}) =>
    aKey(name, [aQueue([aJob(name)])], { time, ...over });

  it('serves the key with the least virtual time', () => {
    expect(chosen(aSnapshot([keyAt('anna', 20), keyAt('bert', 10)]))).toBe('bert');
  });

  it('gives nothing to a key at its limit of jobs in work', () => {
    const full = aKey('anna', [aQueue([aJob('anna', { mostTaken: 2 })])], { inWork: 2 });
    expect(chosen(aSnapshot([full, keyAt('bert', 10)]))).toBe('bert');
    expect(chosen(aSnapshot([full]))).toBe('left');
  });

  it('reports that nothing waits without keys, and that there is more if keys were not read', () => {
    expect(chosen(aSnapshot([]))).toBe('none');
    expect(chosen(aSnapshot([aKey('anna', queuesOf({ a: -1 }))], { next: 32 }))).toBe('more');
  });
});

describe('within a key', () => {
  it('orders jobs by priority, level of detail and age', () => {
    const queues = [
      aQueue([aJob('final', { sequence: sequence(0, 2) })]),
      aQueue([aJob('second', { sequence: sequence(2) })]),
      aQueue([aJob('first', { sequence: sequence(1) })], { affinity: 'b' }),
    ];
    expect(chosen(aSnapshot([aKey('anna', queues)]))).toBe('first');
  });

  it('gives the oldest job once as many later ones as allowed have overtaken it, whatever it loads', () => {
    const queues = [
      aQueue([aJob('late', { sequence: sequence(200) })]),
      aQueue([aJob('old', { sequence: sequence(20, 9) })], { affinity: 'b', loadMs: 60_000, holders: 1 }),
    ];
    expect(chosen(aSnapshot([aKey('anna', queues, { removed: 119 })]))).toBe('late');
    expect(chosen(aSnapshot([aKey('anna', queues, { removed: 120 })]))).toBe('old');
  });

  describe('when its oldest jobs approach that bound', () => {
    /**
     * `late` was overtaken by `overtakes` jobs. The instance holds the models of `held`, which came after so many other
     * jobs.
     */
    const keyWith = (overtakes: number, behind: number, holders = 0) => {
      const late = aQueue([aJob('late', { sequence: sequence(20) })], { affinity: 'b', loadMs: 60_000, holders });
      const held = aQueue([aJob('held', { sequence: sequence(20 + behind) })]);
      return aSnapshot([aKey('anna', [late, held], { removed: 20 + overtakes })]);
    };

    it('has an instance load for them before they reach it, unless another one holds their models', () => {
      expect(chosen(keyWith(89, 50))).toBe('held');
      expect(chosen(keyWith(90, 50))).toBe('late');
      expect(chosen(keyWith(99, 50, 1))).toBe('held');
    });

    it('keeps an instance that holds the models of such jobs on them', () => {
      expect(chosen(keyWith(95, 15))).toBe('held');
      expect(chosen(keyWith(95, 16))).toBe('late');
    });

    it('reads first whether another instance holds their models', () => {
      expect(chosen({ ...keyWith(90, 50), demand: undefined })).toBe('weigh');
    });
  });

  it('ignores the oldest job if the instance cannot run it, and counts the oldest that it can', () => {
    const queues = [
      aQueue([aJob('late', { sequence: sequence(200) })]),
      aQueue([aJob('older', { sequence: sequence(10, 9) })], { affinity: 'b', loadMs: -1 }),
      aQueue([aJob('old', { sequence: sequence(20, 9) })], { affinity: 'c', loadMs: 60_000 }),
    ];
    expect(chosen(aSnapshot([aKey('anna', queues, { removed: 120 })]))).toBe('old');
  });
});

describe('the jobs that an instance can and may run', () => {
  it('never include a job that it cannot run', () => {
    expect(chosen(aSnapshot([aKey('anna', queuesOf({ a: -1, b: 60_000 }))]))).toBe('b');
    expect(chosen(aSnapshot([aKey('anna', queuesOf({ a: -1 }))]))).toBe('left');
  });

  it('are asked for if unknown, and then used as answered', () => {
    const unknown = aQueue([aJob('b', { sequence: sequence(0) })], { affinity: 'b', loadMs: undefined });
    const snapshot = aSnapshot([aKey('anna', [unknown, aQueue([aJob('a', { sequence: sequence(1) })])])]);
    expect(choose(snapshot, W1, RULES)).toEqual({ kind: 'ask', loads: [unknown], retries: [] });
    expect(chosen(snapshot, { ...W1, loads: new Map([['b', 0]]) })).toBe('b');
    expect(chosen(snapshot, { ...W1, loads: new Map([['b', -1]]) })).toBe('a');
  });

  it('are asked for a second time only if the instance gets nothing else', () => {
    const [unknown] = queuesOf({ u: 0 }, { loadMs: undefined });
    const [other] = queuesOf({ b: 8000 });
    const mallory = aKey('mallory', [unknown as NearQueue]);
    const asked = { ...W1, loads: new Map([['a', -1]]) };
    expect(chosen(aSnapshot([mallory, aKey('victim', [other as NearQueue], { time: 90_000 })]), asked)).toBe('b');
    expect(chosen(aSnapshot([mallory], { next: 32 }), asked)).toBe('more');
    expect(chosen(aSnapshot([mallory]), asked)).toBe('ask');
  });

  it.each([
    ['all of a key', { keys: ['mallory'], queues: [] }, ['other', 'none']],
    ['an affinity key of one key', { keys: [], queues: [{ key: 'mallory', affinity: 'a' }] }, ['other', 'b']],
    ['an affinity key of all keys', { keys: [], queues: [{ key: '', affinity: 'a' }] }, ['b', 'b']],
  ])('is not what it refuses: %s', (_what, refusals, [withOther, alone]) => {
    const [a, b] = [aJob('a'), aJob('b', { sequence: sequence(1) })];
    const mallory = aKey('mallory', [aQueue([a]), aQueue([b], { affinity: 'b' })]);
    const other = aKey('other', [aQueue([aJob('other')])], { time: -1 });
    expect(chosen(aSnapshot([mallory, other]), { ...W1, refusals })).toBe(withOther);
    expect(chosen(aSnapshot([mallory]), { ...W1, refusals })).toBe(alone === 'none' ? 'left' : alone);
  });

  it('exclude a job that failed on it while another instance may try it, but not the next one', () => {
    const failed = aJob('failed', { failedOn: ['w/1'] });
    const queue = aQueue([failed, aJob('next', { sequence: sequence(1) })]);
    const snapshot = aSnapshot([aKey('anna', [queue])]);
    expect(choose(snapshot, W1, RULES)).toEqual({ kind: 'ask', loads: [], retries: [failed] });
    expect(chosen(snapshot, { ...W1, retries: new Map([['failed', false]]) })).toBe('next');
    expect(chosen(snapshot, { ...W1, retries: new Map([['failed', true]]) })).toBe('failed');
    expect(chosen(snapshot, { name: 'w/2' })).toBe('failed');
  });

  it('are only those that no other instance may try while it is occupied', () => {
    const [a, b] = [aJob('a'), aJob('b', { sequence: sequence(1) })];
    const queue = (job: NearJob, leftTo: string[]) => aQueue([job], { affinity: job.id, leftTo });
    const occupied = { ...W1, others: ['w/2'] };
    expect(chosen(aSnapshot([aKey('anna', [queue(a, ['w/2']), queue(b, [])])]), occupied)).toBe('b');
    expect(chosen(aSnapshot([aKey('anna', [queue(a, ['w/2'])])]), occupied)).toBe('left');
    expect(chosen(aSnapshot([aKey('anna', [queue(a, ['w/2'])])], { demand: undefined }), occupied)).toBe('weigh');
    const failed = aJob('a', { failedOn: ['w/2'] });
    expect(chosen(aSnapshot([aKey('anna', [queue(failed, ['w/2'])])]))).toBe('a');
  });
});

describe('models', () => {
  it('are a reason to prefer a later job of the key that needs no loading', () => {
    expect(chosen(aSnapshot([aKey('anna', queuesOf({ a: 8000, b: 8000, c: 0 }))]))).toBe('c');
  });

  it('are no reason to prefer a job of lower priority', () => {
    const low = aQueue([aJob('low', { sequence: sequence(0, LODS.length) })]);
    const urgent = aQueue([aJob('urgent')], { affinity: 'b', loadMs: 8000 });
    expect(chosen(aSnapshot([aKey('anna', [urgent, low])]))).toBe('urgent');
  });

  it('are a reason to prefer a job of another key, unless that is ahead by more than the patience and a job in work', () => {
    const anna = aKey('anna', queuesOf({ a: 8000 }));
    const bert = (time: number) => aKey('bert', queuesOf({ b: 0 }), { time });
    expect(chosen(aSnapshot([anna, bert(40_000)]))).toBe('b');
    expect(chosen(aSnapshot([anna, bert(40_001)]))).toBe('a');
  });

  it('do not matter without patience', () => {
    const snapshot = aSnapshot([aKey('anna', queuesOf({ a: 8000, b: 0 }))]);
    expect(chosen(snapshot, W1, { ...RULES, patienceMs: 0 })).toBe('a');
  });

  it('determine which queues are reported as passed over', () => {
    const [a, b] = queuesOf({ a: 8000, b: 8000, c: 0 });
    const choice = choose(aSnapshot([aKey('anna', queuesOf({ a: 8000, b: 8000, c: 0 }))]), W1, RULES);
    expect(choice).toMatchObject({ kind: 'waiting', passedOver: [a, b] });
  });

  it('cause further reading if reading ended at jobs that the instance may not get', () => {
    const low = aQueue([aJob('low', { sequence: sequence(0, LODS.length) })]);
    const urgent = aQueue([aJob('urgent')], { affinity: 'b', loadMs: 8000 });
    expect(chosen(aSnapshot([aKey('anna', [urgent, low])], { isCut: true }))).toBe('more');
  });
});

describe('a queue that was passed over', () => {
  const since = (ago: number) => ({ passedOverAt: NOW - ago });
  const keyOf = (ago: number) => [
    ...queuesOf({ a: 8000 }, { holders: 1, ...since(ago) }),
    aQueue([aJob('held', { sequence: sequence(1) })]),
  ];

  it('is served after the patience', () => {
    expect(chosen(aSnapshot([aKey('anna', keyOf(29_999))]))).toBe('held');
    expect(chosen(aSnapshot([aKey('anna', keyOf(30_000))]))).toBe('a');
  });

  it('is served after ten times the loading if jobs of another key come before it', () => {
    const anna = (ago: number) => aKey('anna', queuesOf({ a: 200 }, { holders: 1, ...since(ago) }));
    const bert = (time = 0) => aKey('bert', [aQueue([aJob('held')])], { time });
    expect(chosen(aSnapshot([anna(1999), bert()]))).toBe('held');
    expect(chosen(aSnapshot([anna(2000), bert()]))).toBe('a');
    expect(chosen(aSnapshot([anna(2000), bert()], { loadedAt: NOW - 1999 }))).toBe('held');
    expect(chosen(aSnapshot([anna(0), bert(12_001)]))).toBe('a');
  });

  it('does not wait for a clock that was set back to catch up', () => {
    expect(chosen(aSnapshot([aKey('anna', keyOf(-3_600_000))]))).toBe('a');
  });

  it('makes an instance with other jobs load only once per patience', () => {
    const keys = [aKey('anna', keyOf(30_000))];
    expect(chosen(aSnapshot(keys, { loadedAt: NOW - 29_999 }))).toBe('held');
    expect(chosen(aSnapshot(keys, { loadedAt: NOW - 30_000 }))).toBe('a');
  });

  it('is served by an instance that loads anyway, the one that was passed over first', () => {
    const queues = [
      ...queuesOf({ a: 8000 }, { holders: 1, ...since(30_000) }),
      ...queuesOf({ b: 8000 }, { holders: 1, ...since(40_000) }),
      ...queuesOf({ c: 8000 }),
    ];
    const inOrder = queues.map((queue, n) => ({ ...queue, jobs: [aJob(queue.affinity, { sequence: sequence(n) })] }));
    expect(chosen(aSnapshot([aKey('anna', inOrder)], { loadedAt: NOW - 1 }))).toBe('b');
  });
});

describe('a text that the instance has just encoded', () => {
  const encodes = (id: string, number: number, encoding: string, over: Partial<NearJob> = {}) =>
    aJob(id, { sequence: sequence(number), encoding, ...over });
  const jobs = [encodes('first', 0, 'cat'), encodes('other', 1, 'dog'), encodes('same', 2, 'fox')];
  const queueOf = (over: Partial<Weighed> = {}, own = jobs) => aSnapshot([aKey('anna', [aQueue(own, over)])]);
  const FOX = { ...W1, encoding: 'fox' };

  it('is a reason to prefer a later job of the same queue that needs no loading', () => {
    expect(chosen(queueOf(), FOX)).toBe('same');
    expect(chosen(queueOf(), { ...W1, encoding: 'owl' })).toBe('first');
    expect(chosen(queueOf({ loadMs: 8000 }), FOX)).toBe('first');
  });

  it('matters until the first job was passed over for the patience, which counts for its queue', () => {
    expect(choose(queueOf(), FOX, RULES)).toMatchObject({ passedOver: [{ jobs }] });
    expect(chosen(queueOf({ passedOverAt: NOW - 29_999 }), FOX)).toBe('same');
    expect(chosen(queueOf({ passedOverAt: NOW - 30_000 }), FOX)).toBe('first');
    expect(choose(queueOf({ passedOverAt: NOW - 30_000 }), FOX, RULES)).toMatchObject({ passedOver: [] });
    expect(chosen(queueOf(), FOX, { ...RULES, patienceMs: 0 })).toBe('first');
  });

  it('matters less than the number of jobs that have overtaken the first one', () => {
    const overtakenBy = (removed: number) => aSnapshot([aKey('anna', [aQueue(jobs)], { removed })]);
    expect(chosen(overtakenBy(79), FOX)).toBe('same');
    expect(chosen(overtakenBy(80), FOX)).toBe('first');
  });

  it('is no reason to try a job again that failed on the instance', () => {
    const failed = encodes('failed', 1, 'fox', { failedOn: ['w/1'] });
    expect(chosen(queueOf({}, [encodes('first', 0, 'cat'), failed]), FOX)).toBe('first');
  });

  it('leaves jobs whose texts another instance encodes ahead to that instance while there are others, within the patience', () => {
    const ahead = [encodes('a', 0, '@w1'), encodes('b', 1, '@w2'), encodes('free', 2, 'cat')];
    expect(chosen(queueOf({}, ahead), { ...W1, encoding: '@w2' })).toBe('b');
    expect(chosen(queueOf({}, ahead), { ...W1, encoding: '@w3' })).toBe('free');
    expect(chosen(queueOf({}, ahead), W1)).toBe('free');
    expect(chosen(queueOf({}, ahead.slice(0, 2)), W1)).toBe('a');
    expect(chosen(queueOf({ passedOverAt: NOW - 30_000 }, ahead), W1)).toBe('a');
  });
});

describe('which models are worth loading', () => {
  /** The second number is how many jobs wait for the models, the third how many other instances hold them. */
  const models = (wanted: Readonly<Record<string, readonly [loadMs: number, waiting: number, holders: number]>>) =>
    Object.entries(wanted).map(([id, [loadMs, waiting, holders]], n) =>
      aQueue([aJob(id, { sequence: sequence(n) })], { affinity: id, loadMs, waiting, holders }),
    );
  const pool = (queues: NearQueue[]) => aSnapshot([aKey('anna', queues)]);

  it('are those that no other instance holds', () => {
    expect(chosen(pool(models({ a: [8000, 1, 1], b: [60_000, 1, 0] })))).toBe('b');
    expect(chosen(pool(models({ a: [8000, 1, 0], b: [8000, 39, 1] })))).toBe('a');
  });

  it('are not those whose holders finish sooner', () => {
    // Two jobs and the running one take it 30 seconds.
    expect(chosen(pool(models({ a: [30_000, 2, 1] })))).toBe('left');
    expect(chosen(pool(models({ a: [29_999, 2, 1] })))).toBe('a');
  });

  it('are those with the most work for each instance that holds them', () => {
    expect(chosen(pool(models({ a: [1000, 10, 3], b: [1000, 12, 3], c: [1000, 11, 3] })))).toBe('b');
  });

  it('are decided after reading the demand, which is read only before loading', () => {
    const queues = models({ a: [8000, 1, 0], b: [8000, 1, 0] });
    expect(choose({ ...pool(queues), demand: undefined }, W1, RULES)).toMatchObject({ kind: 'weigh', queues });
    const held = models({ a: [8000, 1, 0], b: [0, 1, 0] });
    expect(chosen({ ...pool(held), demand: undefined })).toBe('b');
  });

  it('are those of a job that the instance recalled', () => {
    const queue = models({ a: [30_000, 1, 1] })[0] as NearQueue;
    const asked = { ...queue, jobs: [aJob('a', { wantedBy: 'w/1' })] };
    expect(chosen(pool([asked]))).toBe('a');
    expect(chosen(pool([asked]), { name: 'w/2' })).toBe('left');
  });
});

describe('an instance with rivals', () => {
  const ids = (snapshot: NearSnapshot, wanted: number) =>
    chooseSome(snapshot, W1, RULES, wanted).map((choice) =>
      choice.kind === 'waiting' ? choice.chosen.job.id : choice.kind,
    );

  it('also chooses the jobs that it would get if each rival took the one before', () => {
    const anna = aKey('anna', [aQueue([aJob('a1'), aJob('a2', { sequence: sequence(1) })])]);
    const bert = aKey('bert', [aQueue([aJob('b1')])], { time: 5000 });
    expect(ids(aSnapshot([anna, bert]), 1)).toEqual(['a1']);
    expect(ids(aSnapshot([anna, bert]), 3)).toEqual(['a1', 'b1', 'a2']);
    expect(ids(aSnapshot([anna, bert]), 9)).toEqual(['a1', 'b1', 'a2']);
    expect(ids(aSnapshot([]), 9)).toEqual(['none']);
  });

  it('counts their jobs against the limit of a key', () => {
    const jobs = [aJob('a1', { mostTaken: 1 }), aJob('a2', { sequence: sequence(1), mostTaken: 1 })];
    const bert = aKey('bert', [aQueue([aJob('b1')])], { time: 50_000 });
    expect(ids(aSnapshot([aKey('anna', [aQueue(jobs)]), bert]), 3)).toEqual(['a1', 'b1']);
  });
});

describe('a job that waits behind another one', () => {
  const behind = (over: Partial<BehindJob>): BehindJob => ({
    id: 'b',
    key: 'anna',
    affinity: 'a',
    holder: 'w2',
    startsAt: NOW + 10_000,
    loadMs: 0,
    failedOn: [],
    movedAt: undefined,
    ...over,
  });
  const taken = (over: Partial<BehindJob>, chooser = W1) => chooseBehind(NOW, [behind(over)], chooser, RULES)?.id;

  it('goes to an idle instance that loads faster than it would wait, or once it is late', () => {
    expect(taken({})).toBe('b');
    expect(taken({ loadMs: 10_000 })).toBeUndefined();
    expect(taken({ loadMs: 9999 })).toBe('b');
    expect(taken({ loadMs: 9999, startsAt: NOW - 10_000 })).toBe('b');
    expect(taken({ loadMs: -1 })).toBeUndefined();
  });

  it('does not go to an instance that refuses it or on which it failed, and moves once per patience', () => {
    expect(taken({}, { ...W1, refusals: { keys: ['anna'], queues: [] } })).toBeUndefined();
    expect(taken({ failedOn: ['w/1'] })).toBeUndefined();
    expect(taken({ movedAt: NOW - 29_999 })).toBeUndefined();
    expect(taken({ movedAt: NOW - 30_000 })).toBe('b');
  });
});
