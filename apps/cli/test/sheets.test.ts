import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { removeFolder } from '@comfy-fleet/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { lineKey } from '../src/callers/sheets/line-key.js';
import { readSheet } from '../src/callers/sheets/read-sheet.js';

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
