import { FleetError } from '@comfy-fleet/contracts';
import type { InstanceFault } from '@comfy-fleet/jobs';
import { describe, expect, it } from 'vitest';
import { decide } from '../src/job/decide.js';
import type { Facts } from '../src/job/facts.js';
import { Canceled, Stopping, Superseded, TakenBack, Unable } from '../src/job/signals.js';

/** Facts about a job that executed for the first time, on an instance that is alive. */
const FIRST: Facts = {
  hasBegun: true,
  isBystander: false,
  instanceDied: false,
  instanceSilent: false,
  attempts: 1,
  refusals: 0,
  kills: 0,
  ooms: 0,
  memory: undefined,
  hung: undefined,
  fault: undefined,
  limits: { maxAttempts: 3, maxRefusals: 10, maxInstanceDeaths: 2 },
};

const lost = new FleetError('prompt_lost', 'The instance w/1 forgot the prompt.');
const unreachable = new FleetError('instance_unreachable', 'The instance w/1 does not answer.');
const nonsense = new FleetError('comfyui_error', 'The instance w/1 answers 500.');
const outOfMemory = new FleetError('out_of_memory', 'Allocation on device.');
const nodeFailed = new FleetError('node_execution_error', 'no such sampler', { nodeId: '3' });
const gpuFailed = new FleetError('gpu_failed', 'CUDA error');

/** In the middle of the jitter. */
const decided = (error: unknown, facts: Partial<Facts> = {}) => decide(error, { ...FIRST, ...facts }, () => 0.5);

describe('a stop without a failure', () => {
  it.each([
    ['another claim has it', new Superseded(), { action: 'let go' }],
    ['the ledger refuses to write', new FleetError('queue_unavailable', 'Redis is full.'), { action: 'let go' }],
    ['it was taken back', new TakenBack(), { action: 'move' }],
    ['the worker stops', new Stopping(), { action: 'leave' }],
    ['the caller cancels', new Canceled(), { action: 'end as canceled' }],
    [
      'the instance lacks something that the job needs',
      new Unable(),
      { action: 'release', loss: 'taken_back', delayMs: 1000, code: 'workflow_rejected' },
    ],
  ])('%s', (_what, error, decision) => {
    expect(decided(error)).toMatchObject(decision);
  });
});

describe('a job that timed out on a hung instance', () => {
  const timedOut = new FleetError('timed_out', 'It took too long.');
  const on = (instance: string): InstanceFault => ({ instance, code: 'timed_out', print: 'timed_out', suspect: false });

  it('is retried at once on another instance', () => {
    const faults = [on('w/1')];
    expect(decided(timedOut, { hung: { faults, others: 1 } })).toMatchObject({
      action: 'release',
      loss: 'lost',
      delayMs: 0,
      faults,
    });
  });

  it.each([
    ['no other instance can try it', { faults: [on('w/1')], others: 0 }],
    ['another instance hung under it as well', { faults: [on('w/1'), on('w/2')], others: 1 }],
  ])('fails when %s', (_what, hung) => {
    expect(decided(timedOut, { hung })).toEqual({ action: 'fail', error: timedOut });
  });
});

describe('fails', () => {
  it.each(['workflow_rejected', 'interrupted', 'no_output', 'input_missing', 'storage_failed', 'timed_out'] as const)(
    'for %s, whatever else is known',
    (code) => {
      const error = new FleetError(code, 'It is so.');
      expect(decided(error, { hasBegun: false, instanceDied: true })).toEqual({ action: 'fail', error });
    },
  );

  it('for an unexpected error, whose text stays in the log', () => {
    expect(decided(new TypeError('x is not a function'))).toMatchObject({
      action: 'fail',
      error: { code: 'internal_error', detail: expect.not.stringContaining('x is not') },
      inDoubt: true,
    });
  });
});

describe('a job that was lost or refused', () => {
  it.each([
    ['lost while it executed', lost, {}, { loss: 'lost', delayMs: 1000, blame: lost }],
    ['lost a second time', lost, { attempts: 2 }, { loss: 'lost', delayMs: 2000 }],
    ['lost before it began', lost, { hasBegun: false, attempts: 0, refusals: 2 }, { delayMs: 4000 }],
    [
      'refused after its last attempt ran out of memory',
      unreachable,
      { hasBegun: false, attempts: 3, refusals: 0 },
      { loss: 'lost' },
    ],
    ['its instance died', lost, { instanceDied: true }, { loss: 'died', blame: undefined }],
    ['its instance fell silent', lost, { instanceSilent: true }, { loss: 'silent', blame: lost }],
    [
      'its instance fell silent while it waited there, for the tenth time',
      lost,
      { instanceSilent: true, hasBegun: false, attempts: 0, refusals: 9 },
      { loss: 'silent', blame: undefined },
    ],
    ['its instance is unreachable', unreachable, { hasBegun: false }, { loss: 'lost', blame: undefined }],
    ['its instance gives invalid answers', nonsense, { hasBegun: false }, { loss: 'lost', blame: nonsense }],
  ])('%s: is retried', (_what, error, facts, decision) => {
    expect(decided(error, facts)).toMatchObject({ action: 'release', code: error.code, ...decision });
  });

  it.each([
    ['the last attempt executed', lost, { attempts: 3 }],
    ['instances refused it as often as allowed', unreachable, { hasBegun: false, attempts: 0, refusals: 9 }],
  ])('%s: fails, and ComfyUI may still have it', (_what, error, facts) => {
    expect(decided(error, facts)).toMatchObject({ action: 'fail', error, inDoubt: true });
  });

  it('fails when too many instances died or fell silent while they executed it', () => {
    const killed = { action: 'fail', error: { code: 'instance_killed', detail: expect.stringContaining('2 ComfyUI') } };
    expect(decided(lost, { instanceDied: true, kills: 1 })).toMatchObject(killed);
    expect(decided(lost, { instanceDied: true, kills: 1, hasBegun: false })).toMatchObject({ action: 'release' });
    expect(decided(lost, { kills: 1 })).toMatchObject({ action: 'release' });
    expect(decided(lost, { instanceSilent: true, kills: 1 })).toMatchObject({ ...killed, inDoubt: true });
    const bystander = { instanceSilent: true, isBystander: true, kills: 1, attempts: 3 };
    expect(decided(lost, bystander)).toMatchObject({ action: 'release', loss: 'bystander' });
    const waited = { instanceSilent: true, kills: 1, hasBegun: false };
    expect(decided(lost, waited)).toMatchObject({ action: 'release' });
  });
});

describe('a job that ran out of memory', () => {
  const retry = { loss: 'out_of_memory', code: 'out_of_memory', delayMs: 0 };
  const faults = [{ instance: 'w/1', code: 'out_of_memory', print: 'out_of_memory', suspect: false }] as const;
  const failing = { action: 'fail', error: outOfMemory, alikeOn: ['w/1'] };

  it.each([
    ['the first time: retried here after freeing memory', { ooms: 1 }, { action: 'again', ...retry }],
    [
      'the second time: retried on another instance',
      { ooms: 2, memory: { faults, others: 1 } },
      { action: 'release', ...retry, faults },
    ],
    ['the second time without another instance: fails', { ooms: 2, memory: { faults, others: 0 } }, failing],
    ['the third time: fails and clears the instances', { ooms: 3, memory: { faults, others: 1 } }, failing],
  ])('%s', (_what, facts, decision) => {
    expect(decided(outOfMemory, facts)).toMatchObject(decision);
  });
});

describe("a failure that may be the instance's fault", () => {
  const on = (instance: string, { code, detail }: FleetError, suspect = false): InstanceFault => {
    return { instance, code, print: detail, suspect };
  };
  const withFaults = (faults: readonly InstanceFault[], others: number, restMs = 0) => {
    return { fault: { faults, others, restMs } };
  };

  it('fails the job at once for an unknown kind of error on an unsuspected instance', () => {
    const facts = withFaults([on('w/1', nodeFailed)], 1);
    expect(decided(nodeFailed, facts)).toEqual({ action: 'fail', error: nodeFailed, alikeOn: [] });
  });

  it('sends the job to another instance at once, with the fault on its record', () => {
    const faults = [on('w/1', gpuFailed)];
    expect(decided(gpuFailed, withFaults(faults, 1, 9000))).toMatchObject({
      action: 'release',
      loss: 'faulty',
      code: 'gpu_failed',
      delayMs: 0,
      faults,
    });
  });

  it("lets the job wait for its instance's rest when no other can try it, and a second longer than jobs before it", () => {
    const facts = withFaults([on('w/1', gpuFailed)], 0, 9000);
    expect(decided(gpuFailed, facts)).toMatchObject({ action: 'release', loss: 'faulty', delayMs: 10_000 });
  });

  it('fails the job when it failed alike twice, says where, and clears the instances', () => {
    const faults = [on('w/1', nodeFailed, true), on('w/2', nodeFailed, true)];
    expect(decided(nodeFailed, withFaults(faults, 1))).toMatchObject({
      action: 'fail',
      error: {
        code: 'node_execution_error',
        nodeId: '3',
        detail: 'no such sampler It failed alike on w/1 and w/2, so the job is at fault.',
      },
      alikeOn: ['w/1', 'w/2'],
    });
  });
});
