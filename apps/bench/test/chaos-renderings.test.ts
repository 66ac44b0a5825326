import { newHintId, newId } from '@comfy-fleet/contracts';
import { describe, expect, it } from 'vitest';
import { CHAOS } from '../src/trials/chaos/settings.js';
import { renderings } from '../src/trials/checks/executions.js';
import type { Evidence, Execution } from '../src/trials/evidence/evidence.js';
import { evidence, execution, history, id, job, T0 } from './chaos-evidence.js';

const submissions = [
  { promptId: 'prompt1', instance: 'worker1/1' },
  { promptId: 'prompt2', instance: 'worker2/1' },
];
const AGAIN = T0 + 20_000;
const PATIENCE_MS = CHAOS.adoptWaitSeconds * 1000;

/** A job that was executed twice, first in worker1/1 by the process 100. */
const twice = (first: Partial<Execution>, more: Partial<Evidence> = {}) =>
  evidence({
    histories: [history(1, { submissions })],
    executions: [execution(1, first), execution(2, { simulator: 'worker2/1', pid: 200, startedAt: AGAIN })],
    ...more,
  });
const judge = (of: Evidence) => {
  const { rows, breaches } = renderings(of);
  return { cause: rows.find(([name]) => name === '… by cause')?.[1], breaches: breaches.length };
};
const fault = (kind: string, more = {}) => ({
  simulator: 'worker1/1',
  pid: 100,
  kind,
  plantedAt: T0,
  thereBy: T0,
  ...more,
});
const outage = (process: string, more = {}) => ({ process, pid: 100, killedAt: T0 + 100, upAt: T0 + 900, ...more });

it('the execution of an unknown prompt is a breach unless it only encodes texts ahead', () => {
  const of = (promptId: string) => renderings(evidence({ executions: [execution(1), execution(9, { promptId })] }));
  expect(of(newId()).breaches).toHaveLength(1);
  const { rows, breaches } = of(newHintId());
  expect(breaches).toEqual([]);
  expect(rows).toContainEqual(['… that only encode texts ahead, by outcome', 'success 1']);
});

describe('a second execution', () => {
  it('is a breach if nothing explains it', () => {
    expect(judge(twice({}))).toEqual({ cause: 'none', breaches: 1 });
  });

  it('is a breach if the same prompt was executed twice', () => {
    const executions = [execution(1), execution(1, { startedAt: AGAIN })];
    expect(judge(evidence({ executions }))).toEqual({ cause: 'none', breaches: 1 });
  });

  it('is explained if the simulator of the first execution died in between, but not if another one did', () => {
    const cut = { outcome: undefined, endedAt: undefined };
    const explained = { cause: 'simulator killed 1', breaches: 0 };
    expect(judge(twice(cut, { outages: [outage('worker1/1')] }))).toEqual(explained);
    for (const other of [{ pid: 101 }, { killedAt: T0 - 100 }, { killedAt: AGAIN + 1 }]) {
      expect(judge(twice(cut, { outages: [outage('worker1/1', other)] })).breaches).toBe(1);
    }
  });

  it('is explained by a planted error, but not by any other error', () => {
    const failed = { outcome: 'error' as const };
    expect(judge(twice(failed, { faults: [fault('out_of_memory')] }))).toEqual({
      cause: 'out of memory 1',
      breaches: 0,
    });
    expect(judge(twice(failed, { faults: [fault('node_error')] })).cause).toBe('node error 1');
    expect(judge(twice(failed, { faults: [fault('slow_view')] })).breaches).toBe(1);
    expect(judge(twice(failed, { faults: [fault('out_of_memory', { pid: 200 })] })).breaches).toBe(1);
    expect(judge(twice(failed, { faults: [fault('out_of_memory', { plantedAt: T0 + 551 })] })).breaches).toBe(1);
  });

  it('is explained by a lost history entry, which is that of the first execution to end after the fault', () => {
    expect(judge(twice({}, { faults: [fault('lost_history')] }))).toEqual({ cause: 'history lost 1', breaches: 0 });
    expect(judge(twice({}, { faults: [fault('lost_history', { plantedAt: T0 + 551 })] })).breaches).toBe(1);
    const planting = { plantedAt: T0, thereBy: T0 + 320 };
    const sooner = execution(3, { endedAt: T0 + 300 });
    const histories = [history(1, { submissions }), history(3)];
    const { executions } = twice({});
    const both = evidence({ histories, executions: [...executions, sooner], faults: [fault('lost_history')] });
    expect(judge(both).breaches).toBe(1);
    // This one may have ended before the fault was planted.
    expect(judge({ ...both, faults: [fault('lost_history', planting)] }).breaches).toBe(0);
  });

  it.each(['silent_socket', 'error_after_accepting', 'reset_after_accepting', 'slow_view'])(
    'is not explained by %s',
    (kind) => {
      expect(judge(twice({}, { faults: [fault(kind)] })).breaches).toBe(1);
    },
  );

  it('is explained by a worker that was down for longer than adoptWaitSeconds', () => {
    const away = (upAt: number) => twice({}, { outages: [outage('worker1', { pid: 9, killedAt: T0 + 100, upAt })] });
    expect(judge(away(T0 + 101 + PATIENCE_MS))).toEqual({ cause: 'worker away 1', breaches: 0 });
    expect(judge(away(T0 + 99 + PATIENCE_MS)).breaches).toBe(1);
  });

  it('is not explained by another worker that was down', () => {
    const outages = [outage('worker2', { pid: 9, upAt: T0 + 101 + PATIENCE_MS })];
    expect(judge(twice({}, { outages })).breaches).toBe(1);
  });

  it('is explained by a worker that was down twice with a short uptime in between', () => {
    const dies = (killedAt: number, upAt: number) => outage('worker1', { pid: 9, killedAt, upAt });
    const half = PATIENCE_MS / 2 + 1;
    const blink = [dies(T0, T0 + half), dies(T0 + half + 20, T0 + half * 2 + 20)];
    expect(judge(twice({}, { outages: blink }))).toEqual({ cause: 'worker away 1', breaches: 0 });
    const back = [dies(T0, T0 + half), dies(T0 + half + 2000, T0 + half * 2 + 2000)];
    expect(judge(twice({}, { outages: back })).breaches).toBe(1);
  });
});

it('reports the execution of a prompt that is in no record', () => {
  const executions = [execution(1), execution(7, { promptId: 'stranger' })];
  expect(renderings(evidence({ executions })).breaches).toEqual([
    { what: "worker1/1 executed stranger, which is in no job's record" },
  ]);
});

it('reports a job with more attempts than executions', () => {
  expect(renderings(evidence({ jobs: new Map([[id(1), job(1, { attempts: 2 })]]) })).breaches).toEqual([
    { what: `job ${id(1)} reports 2 attempts and was executed 1 times`, jobId: id(1) },
  ]);
});
