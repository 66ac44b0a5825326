import { expect, it } from 'vitest';
import { jobHistories, outboxLength, parseCommands } from '../src/trials/evidence/redis-history.js';
import { T0 } from './chaos-evidence.js';

const written = (...words: string[]) =>
  `*${words.length}\r\n${words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join('')}`;
const JOB = '{p}:job:one';
const FILE = [
  written('SELECT', '0'),
  written('MULTI'),
  written(
    'HSET',
    JOB,
    'id',
    'one',
    'status',
    'queued',
    'created_at',
    `${T0}`,
    'request',
    '{"metadata":{"chaos":"4 ÷ 2"}}',
  ),
  written('EXEC'),
  written('HSET', JOB, 'phase', 'claimed', 'worker', 'worker1', 'claimed_with', 't:1'),
  written('HSET', JOB, 'prompt_id', 'p1', 'instance', 'worker1/2', 'phase', 'submitted'),
  written('HSET', JOB, 'status', 'running'),
  written(
    'XADD',
    '{p}:events:one',
    'MAXLEN',
    '~',
    '100',
    `${T0 + 70}-0`,
    'event',
    '{"type":"status","status":"running"}',
  ),
  written('HSET', '{p}:other:one', 'status', 'canceled'),
  written('HSET', JOB, 'phase', 'waiting', 'worker', ''),
  written('HSET', JOB, 'status', 'failed', 'finished_at', `${T0 + 90}`, 'phase', 'ended'),
].join('');

it('derives the history of a job, with times, from the append-only file', () => {
  expect(jobHistories(parseCommands(Buffer.from(FILE)), '{p}')).toEqual([
    {
      id: 'one',
      tag: '4 ÷ 2',
      statuses: [
        { status: 'queued', at: T0 },
        { status: 'running', at: T0 + 70 },
        { status: 'failed', at: T0 + 90 },
      ],
      submissions: [{ promptId: 'p1', instance: 'worker1/2' }],
      claims: ['worker1'],
    },
  ]);
});

it('ignores an incomplete command at the end', () => {
  const whole = parseCommands(Buffer.from(FILE)).length;
  for (const cut of [1, 3, 20, 60]) expect(parseCommands(Buffer.from(FILE).subarray(0, -cut))).toHaveLength(whole - 1);
});

it('rejects a file that begins after a job was created', () => {
  const commands = [['HSET', JOB, 'status', 'running']];
  expect(() => jobHistories(commands, '{p}')).toThrow('which it did not create');
});

it('counts the entries of the outbox that were not deleted', () => {
  const add = (id: string) => ['XADD', '{p}:outbox', id, 'job', 'one'];
  const commands = [add('1-0'), ['XADD', '{p}:events:one', '9-0', 'event', '{}'], add('2-0'), add('3-0')];
  expect(outboxLength(commands, '{p}')).toBe(3);
  expect(
    outboxLength([...commands, ['XACK', '{p}:outbox', 'd', '2-0'], ['XDEL', '{p}:outbox', '1-0', '3-0']], '{p}'),
  ).toBe(1);
});
