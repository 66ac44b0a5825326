import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { type Member, membersOf } from '../src/node-classes.js';

async function membersIn(text: string | Buffer, size = 1_000_000): Promise<Member[]> {
  const bytes = Buffer.from(text);
  async function* chunks() {
    for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
  }
  const members: Member[] = [];
  for await (const member of membersOf(chunks())) members.push(member);
  return members;
}

const data = resolve(import.meta.dirname, '../../../apps/simulator/src/data');

describe('membersOf', () => {
  it.each(['0.3.64', '0.33.0'])(
    'takes the whole catalogue of ComfyUI %s apart, however it arrives',
    async (version) => {
      const text = gunzipSync(readFileSync(`${data}/object-info-${version}.json.gz`));
      const expected = Object.entries(JSON.parse(text.toString()) as Record<string, unknown>);
      for (const size of [7, 4096, 10_000_000]) {
        const members = await membersIn(text, size);
        expect(members.map(([name, described]) => [name, JSON.parse(described)])).toEqual(expected);
      }
    },
  );

  it.each(['{}', ' { } ', '{"a":1}', '{ "a" : {"b":"}"} , "c\\"\\\\" :[1,{"d":","}], "é€": "\\\\" }'])(
    'finds in %s what a parser finds',
    async (text) => {
      for (const size of [1, 1000]) {
        const members = await membersIn(text, size);
        expect(Object.fromEntries(members.map(([name, value]) => [name, JSON.parse(value)]))).toEqual(JSON.parse(text));
      }
    },
  );

  it.each(['', 'null', '[1]', '{"a":1', '{"a', '{1:2}', '<html>{}</html>'])('refuses %s', async (text) => {
    await expect(membersIn(text)).rejects.toThrow(SyntaxError);
  });
});
