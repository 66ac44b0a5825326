import { FleetError } from '@comfy-fleet/contracts';
import type { InstanceFault } from '@comfy-fleet/jobs';
import { expect, it } from 'vitest';
import { crossCheckRuling, printOf } from '../src/job/cross-check.js';

const fault = (instance: string, code: InstanceFault['code'], more: Partial<InstanceFault> = {}): InstanceFault => ({
  instance,
  code,
  print: 'x',
  suspect: false,
  ...more,
});
const suspect = { suspect: true };

it.each<[string, InstanceFault[], number, ReturnType<typeof crossCheckRuling>['ruling'], number]>([
  ['a first error of an unknown kind', [fault('a/1', 'node_execution_error')], 1, 'fail', 0],
  [
    'an unknown error on an instance where others failed',
    [fault('a/1', 'node_execution_error', suspect)],
    1,
    'elsewhere',
    0,
  ],
  ['the same when no other instance can try it', [fault('a/1', 'node_execution_error', suspect)], 0, 'wait', 0],
  [
    'the same once more',
    [fault('a/1', 'node_execution_error', suspect), fault('a/1', 'node_execution_error', suspect)],
    0,
    'fail',
    0,
  ],
  [
    'the same unknown error on two',
    [fault('a/1', 'node_execution_error', suspect), fault('b/1', 'node_execution_error')],
    3,
    'fail',
    2,
  ],
  [
    'a different unknown error on another instance that is not suspect',
    [fault('a/1', 'node_execution_error', suspect), fault('b/1', 'node_execution_error', { print: 'y' })],
    3,
    'fail',
    0,
  ],
  ['a GPU error', [fault('a/1', 'gpu_failed')], 1, 'elsewhere', 0],
  ['a GPU error when no other instance can try it', [fault('a/1', 'gpu_failed')], 0, 'wait', 0],
  [
    'a GPU error on two while a third can try',
    [fault('a/1', 'gpu_failed'), fault('b/1', 'gpu_failed')],
    1,
    'elsewhere',
    0,
  ],
  ['a GPU error on both', [fault('a/1', 'gpu_failed'), fault('b/1', 'gpu_failed', { print: 'y' })], 0, 'fail', 2],
  [
    'a GPU error on both, one of which also failed other jobs',
    [fault('a/1', 'gpu_failed'), fault('b/1', 'gpu_failed', suspect)],
    0,
    'wait',
    0,
  ],
  [
    'GPU errors at every trial of a sick instance',
    [fault('a/1', 'gpu_failed'), ...Array.from({ length: 7 }, () => fault('a/1', 'gpu_failed', suspect))],
    0,
    'wait',
    0,
  ],
  [
    'repeated GPU errors on an instance where others succeed',
    Array.from({ length: 3 }, () => fault('a/1', 'gpu_failed')),
    0,
    'fail',
    0,
  ],
  ['a GPU error on three', ['a/1', 'b/1', 'c/1'].map((name) => fault(name, 'gpu_failed')), 5, 'fail', 3],
  ['a missing library that another instance may have', [fault('a/1', 'library_missing')], 1, 'elsewhere', 0],
  ['a missing library when no other instance can try it', [fault('a/1', 'library_missing')], 0, 'fail', 0],
])('rules on %s', (_what, faults, others, ruling, alikeOn) => {
  const answer = crossCheckRuling(faults, others);
  expect(answer.ruling).toBe(ruling);
  expect(answer.alikeOn).toHaveLength(alikeOn);
});

it('never fails a job for a known kind of error while another instance can try it, until three healthy instances failed it', () => {
  for (let count = 1; count <= 8; count += 1) {
    const faults = Array.from({ length: count }, (_, n) => fault(`w/${n}`, 'gpu_failed', { suspect: n > 1 }));
    expect(crossCheckRuling(faults, 1).ruling).toBe('elsewhere');
  }
});

it('gives the same print to errors that differ only in numbers and addresses', () => {
  const [one, other] = ['3 at 0x7f12 of 10', '4 at 0xabcd of 11'].map((text) =>
    printOf(new FleetError('node_execution_error', `bad tensor ${text}`)),
  );
  expect(one).toBe(other);
});
