import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { safetensors } from '@comfy-fleet/testing';
import { describe, expect, it, onTestFinished } from 'vitest';
import { checkFile } from '../../src/models/check-file.js';
import type { ModelFault } from '../../src/models/faults.js';
import { temporaryFolder } from './fetching.js';

const GOOD = safetensors(1000);
const header = (value: unknown, tensors = 0) => {
  const text = JSON.stringify(value);
  const start = Buffer.alloc(8);
  start.writeBigUInt64LE(BigInt(text.length));
  return Buffer.concat([start, Buffer.from(text), Buffer.alloc(tensors)]);
};
const tensor = (...data_offsets: unknown[]) => ({ dtype: 'U8', shape: [1], data_offsets });
const ZIP = Buffer.from('PK\u0003\u0004rest of an archive');
const PICKLE = Buffer.from([0x80, 2, 0x7d, 0x71, 0]);
const HTML = Buffer.from('\n<!DOCTYPE html><html></html>');

async function codeOf(name: string, content: Buffer, allowPickle = false): Promise<string | undefined> {
  const path = join(await temporaryFolder(), 'file');
  await writeFile(path, content);
  return checkFile(path, name, allowPickle).then(
    () => undefined,
    (fault: ModelFault) => fault.code,
  );
}

describe('checkFile', () => {
  it.each<[string, string, Buffer, string | undefined]>([
    ['a safetensors file', 'a.safetensors', GOOD, undefined],
    ['one with two tensors in any order', 'a.sft', header({ b: tensor(3, 5), a: tensor(0, 3) }, 5), undefined],
    ['one without tensors', 'a.safetensors', header({}), undefined],
    ['one that lacks its last byte', 'a.safetensors', GOOD.subarray(0, -1), 'truncated'],
    ['one that ends in its header', 'a.safetensors', GOOD.subarray(0, 40), 'truncated'],
    ['one with a byte too many', 'a.safetensors', Buffer.concat([GOOD, Buffer.alloc(1)]), 'not_a_model'],
    ['one with a gap', 'a.safetensors', header({ a: tensor(1, 2) }, 2), 'not_a_model'],
    ['one whose tensors overlap', 'a.safetensors', header({ a: tensor(0, 2), b: tensor(1, 3) }, 3), 'not_a_model'],
    ['one with negative places', 'a.safetensors', header({ a: tensor(-1, 2) }, 2), 'not_a_model'],
    ['one with places that are no numbers', 'a.safetensors', header({ a: tensor('0', 2) }, 2), 'not_a_model'],
    ['one whose header is a list', 'a.safetensors', header([1]), 'not_a_model'],
    ['an empty file', 'a.safetensors', Buffer.alloc(0), 'not_a_model'],
    ['a page', 'a.safetensors', HTML, 'not_a_model'],
    ['JSON', 'a.gguf', Buffer.from('{"error": "not found"}'), 'not_a_model'],
    ['a GGUF file', 'a.gguf', Buffer.from('GGUF\u0003\0\0\0'), undefined],
    ['a safetensors file that is named GGUF', 'a.gguf', GOOD, 'not_a_model'],
    ['an archive of PyTorch that is named safetensors', 'a.safetensors', ZIP, 'pickle'],
    ['a pickle that is named safetensors', 'a.safetensors', PICKLE, 'pickle'],
    ['a pickle that is named GGUF', 'a.gguf', PICKLE, 'pickle'],
    ['a pickle', 'a.ckpt', ZIP, 'pickle'],
    ['a safetensors file that is named as a pickle', 'a.bin', GOOD, 'pickle'],
    ['a text', 'a.txt', GOOD, 'not_a_model'],
  ])('judges %s', async (_what, name, content, code) => {
    expect(await codeOf(name, content)).toBe(code);
  });

  it.each<[string, Buffer, string | undefined]>([
    ['an archive', ZIP, undefined],
    ['a bare pickle', PICKLE, undefined],
    ['a page', HTML, 'not_a_model'],
    ['an empty file', Buffer.alloc(0), 'not_a_model'],
    ['anything else', Buffer.from('something'), 'not_a_model'],
  ])('judges %s with the name of a pickle where those are allowed', async (_what, content, code) => {
    expect(await codeOf('a.pt', content, true)).toBe(code);
  });

  it('leaves the event loop free while it judges a large header', async () => {
    const many = Object.fromEntries(Array.from({ length: 20_000 }, (_, n) => [`tensor ${n}`, tensor(n, n + 1)]));
    expect(await codeOf('a.safetensors', header(many, 20_000))).toBeUndefined();
    expect(await codeOf('a.safetensors', header({ ...many, more: tensor(0, 1) }, 20_000))).toBe('not_a_model');
    const path = join(await temporaryFolder(), 'file');
    await writeFile(path, header({ a: Array.from({ length: 1_300_000 }, () => ({})) }));
    let turns = 0;
    const turn = setInterval(() => {
      turns += 1;
    }, 5);
    onTestFinished(() => clearInterval(turn));
    await expect(checkFile(path, 'a.safetensors', false)).rejects.toMatchObject({ code: 'not_a_model' });
    expect(turns).toBeGreaterThan(5);
    expect(await codeOf('a.safetensors', header({ a: 'x'.repeat(5 * 1024 * 1024) }))).toBe('not_a_model');
  });
});
