import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { JOB_PHASES, JOB_STATUSES, may } from '@comfy-fleet/contracts';
import { Redis } from 'ioredis';
import { expect, inject, it, onTestFinished } from 'vitest';
import { luaNameOf } from '../src/key-table.js';
import { QUEUE_KEYS } from '../src/keys.js';
import { loadScripts, luaStates, SCRIPT_FILES } from '../src/scripts.js';

const LUA = fileURLToPath(new URL('../src/lua/', import.meta.url));
const FILES = readdirSync(LUA, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.lua'));
const textOf = (file: string) => readFileSync(LUA + file, 'utf8');

it('loads scripts that Redis can compile, with nothing left to include', async () => {
  const redis = new Redis(inject('redisUrl'));
  onTestFinished(() => redis.disconnect());
  for (const [name, script] of Object.entries(loadScripts())) {
    expect(script, name).not.toContain('@include');
    await redis.script('LOAD', script);
  }
});

it('uses every file, as a script or as a part of one', () => {
  const loaded = Object.values(loadScripts());
  const scripts: string[] = Object.values(SCRIPT_FILES).map((name) => `${name}.lua`);
  const unused = FILES.filter((file) => {
    const [own = file] = /^local function \w+\(/m.exec(textOf(file)) ?? [];
    return !scripts.includes(file) && !loaded.some((script) => script.includes(own));
  });
  expect(unused).toEqual([]);
});

it('has a header in each file that describes it, and in each script its input and output', () => {
  for (const file of FILES) expect(textOf(file), file).toMatch(/^--\[\[\n\S[\s\S]*?\n\]\]\n/);
  const scripts = Object.values(SCRIPT_FILES).map((name) => `${name}.lua`);
  for (const file of scripts) expect(textOf(file), file).toMatch(/\nInput:\n {2}KEYS\[1\][\s\S]*\nOutput:\n {2}\S/);
});

it("names BullMQ's keys only in queue/", () => {
  const builders = Object.keys(QUEUE_KEYS).map((name) => `${luaNameOf(name)}(`);
  const strangers = FILES.filter(
    (file) => !file.startsWith('queue/') && builders.some((name) => textOf(file).includes(name)),
  );
  expect(strangers).toEqual([]);
});

it('reads the files once for any number of connections', () => {
  expect(loadScripts()).toBe(loadScripts());
});

it('allows in Lua exactly the transitions of the table', async () => {
  const redis = new Redis(inject('redisUrl'));
  onTestFinished(() => redis.disconnect());
  const states = [...JOB_STATUSES, ...JOB_PHASES];
  const pairs = states.flatMap((from) => states.map((to) => [from, to] as const));
  const script = `${luaStates()}\nlocal found = {}\nfor n = 1, #ARGV, 2 do found[#found + 1] = may(ARGV[n], ARGV[n + 1]) and 1 or 0 end\nreturn found`;
  const inLua = (await redis.eval(script, 0, ...pairs.flat())) as number[];
  expect(inLua.map((allowed) => allowed === 1)).toEqual(pairs.map(([from, to]) => may(from, to)));
});
