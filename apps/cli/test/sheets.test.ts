import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FleetError, type JobHandle } from '@comfy-fleet/client';
import { removeFolder } from '@comfy-fleet/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { JobRequest } from '../src/callers/requests.js';
import { readSheet } from '../src/callers/sheets/read-sheet.js';
import { createRowSender, lineKey } from '../src/callers/sheets/run-sheet.js';

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'comfy-fleet-sheets-'));
});
afterAll(() => removeFolder(dir));

async function read(name: string, text: string) {
  await writeFile(join(dir, name), text);
  return readSheet(join(dir, name));
}

describe('a sheet', () => {
  it('may be a CSV file with a header, whose empty cells are left out', async () => {
    const text = '\ufeffprompt,seed\r\n"a red fox, ""sleeping""",1\r\n\r\n"two\nlines",\r\n';
    expect(await read('a.csv', text)).toEqual({
      kind: 'csv',
      rows: [
        { line: 1, fields: { prompt: 'a red fox, "sleeping"', seed: '1' } },
        { line: 2, fields: { prompt: 'two\nlines' } },
      ],
    });
    await expect(read('b.csv', 'prompt,seed\na,1,2\n')).rejects.toThrow('not a CSV file with a header');
  });

  it('may be a JSONL file with an object in each line', async () => {
    const rows = [{ line: 1, fields: { prompt: 'a', steps: 8 } }];
    expect(await read('a.jsonl', '{"prompt":"a","steps":8}\n\n')).toEqual({ kind: 'jsonl', rows });
    await expect(read('b.jsonl', '{"prompt":"a"}\n[1]\n')).rejects.toThrow(/Line 2 of .* is not a JSON object/);
  });

  it('has no other format', async () => {
    await expect(read('a.txt', 'a red fox')).rejects.toThrow('neither a .csv nor a .jsonl file');
  });
});

it('gives each row an idempotency key that is the same in every run and differs for each attempt', () => {
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

/** A request that the API answers with these answers in turn, and the idempotency keys that it was sent with. */
function requestOf(...answers: readonly (JobHandle | FleetError)[]) {
  const keys: string[] = [];
  const request: JobRequest = {
    identity: 'a red fox',
    send: async ({ idempotencyKey = '' }) => {
      const answer = answers[keys.push(idempotencyKey) - 1];
      if (answer instanceof FleetError) throw answer;
      return answer as JobHandle;
    },
  };
  return { request, keys };
}

it('retries with the same key while the queue is full', async () => {
  const { request, keys } = requestOf(refused('queue_full', 429), refused('rate_limited', 429), job('queued'));
  expect((await createRowSender('a.csv')(request, signal)).status).toBe('queued');
  expect([keys.length, new Set(keys).size]).toEqual([3, 1]);
});

it('sends a row again with another key if its job ended badly in an earlier run or was deleted', async () => {
  const { request, keys } = requestOf(job('failed'), refused('job_not_found', 404), job('running'));
  expect((await createRowSender('a.csv')(request, signal)).status).toBe('running');
  expect(new Set(keys).size).toBe(3);
});

it('gives identical rows different keys, and rethrows errors that do not pass', async () => {
  const { request, keys } = requestOf(job('queued'), job('queued'), refused('validation_failed', 422));
  const send = createRowSender('a.csv');
  await send(request, signal);
  await send(request, signal);
  await expect(send(request, signal)).rejects.toMatchObject({ code: 'validation_failed' });
  expect(new Set(keys).size).toBe(3);
});
