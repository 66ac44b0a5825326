import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FleetError, type JobHandle } from '@comfy-fleet/client';
import { removeFolder } from '@comfy-fleet/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Order } from '../src/callers/requests.js';
import { readSheet } from '../src/callers/sheets/read-sheet.js';
import { lineKey, rowPlacer } from '../src/callers/sheets/run-sheet.js';

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'comfy-fleet-sheets-'));
});
afterAll(() => removeFolder(dir));

async function read(name: string, text: string) {
  await writeFile(join(dir, name), text);
  return readSheet(join(dir, name));
}

describe('a file of many jobs', () => {
  it('is CSV with a header; empty cells say nothing', async () => {
    const text = '\ufeffprompt,seed\r\n"a red fox, ""sleeping""",1\r\n\r\n"two\nlines",\r\n';
    expect(await read('a.csv', text)).toEqual({
      kind: 'csv',
      rows: [
        { line: 1, fields: { prompt: 'a red fox, "sleeping"', seed: '1' } },
        { line: 2, fields: { prompt: 'two\nlines' } },
      ],
    });
    await expect(read('b.csv', 'prompt,seed\na,1,2\n')).rejects.toThrow('no CSV file with a header');
  });

  it('is an object a line', async () => {
    const rows = [{ line: 1, fields: { prompt: 'a', steps: 8 } }];
    expect(await read('a.jsonl', '{"prompt":"a","steps":8}\n\n')).toEqual({ kind: 'jsonl', rows });
    await expect(read('b.jsonl', '{"prompt":"a"}\n[1]\n')).rejects.toThrow(/Line 2 of .* is no JSON object/);
  });

  it('is nothing else', async () => {
    await expect(read('a.txt', 'a red fox')).rejects.toThrow('neither a .csv nor a .jsonl file');
  });
});

it('has a key for each of its rows, the same in every run, and another for each try', () => {
  const keys = [
    lineKey('a.csv', 'fox', 0, 0),
    lineKey('b.csv', 'fox', 0, 0),
    lineKey('a.csv', 'owl', 0, 0),
    lineKey('a.csv', 'fox', 1, 0),
    lineKey('a.csv', 'fox', 0, 1),
  ];
  expect(new Set(keys).size).toBe(5);
  expect(lineKey('a.csv', 'fox', 0, 0)).toBe(keys[0]);
  expect(keys[0]).toMatch(/^[0-9a-f]{64}$/);
});

const refused = (code: string, status: number) =>
  new FleetError({ code, status, detail: code }, new Headers({ 'retry-after': '0' }));
const job = (status: string) => ({ status }) as JobHandle;
const { signal } = new AbortController();

/** An order that the API answers so, one time after the other, and the keys that it came with. */
function orderOf(...answers: readonly (JobHandle | FleetError)[]) {
  const keys: string[] = [];
  const order: Order = {
    identity: 'a red fox',
    place: async ({ idempotencyKey = '' }) => {
      const answer = answers[keys.push(idempotencyKey) - 1];
      if (answer instanceof FleetError) throw answer;
      return answer as JobHandle;
    },
  };
  return { order, keys };
}

it('waits with the same key for room in the queue', async () => {
  const { order, keys } = orderOf(refused('queue_full', 429), refused('rate_limited', 429), job('queued'));
  expect((await rowPlacer('a.csv')(order, signal)).status).toBe('queued');
  expect([keys.length, new Set(keys).size]).toEqual([3, 1]);
});

it('asks anew for a job that ended badly in an earlier run, or is gone', async () => {
  const { order, keys } = orderOf(job('failed'), refused('job_not_found', 404), job('running'));
  expect((await rowPlacer('a.csv')(order, signal)).status).toBe('running');
  expect(new Set(keys).size).toBe(3);
});

it('tells rows that are alike apart, and passes on what the API refuses', async () => {
  const { order, keys } = orderOf(job('queued'), job('queued'), refused('validation_failed', 422));
  const place = rowPlacer('a.csv');
  await place(order, signal);
  await place(order, signal);
  await expect(place(order, signal)).rejects.toMatchObject({ code: 'validation_failed' });
  expect(new Set(keys).size).toBe(3);
});
