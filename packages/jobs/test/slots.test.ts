import { describe, expect, it } from 'vitest';
import { Slots, type Target } from '../src/webhooks/slots.js';

/** A target of a key. */
const at = (host: string, key = 'anna'): Target => ({ host, key });

interface Bounds {
  readonly perHost?: number;
  readonly concurrency?: number;
  readonly places?: number;
}

/** Slots with a clock of their own; records which deliveries have begun. */
function open({ perHost = 4, concurrency = 64, places = 1000 }: Bounds = {}) {
  let ms = 0;
  const slots = new Slots({ concurrency, perHost, places, now: () => ms });
  const begun: string[] = [];
  const leaves = new Map<string, () => void>();
  /** Lets a delivery enter; resolves once that is settled, or it waits. */
  const enter = async (name: string, target: Target, signal = new AbortController().signal) => {
    let state: 'begun' | 'waiting' | 'refused' = 'waiting';
    slots.enter(target, signal).then((leave) => {
      state = leave === undefined ? 'refused' : 'begun';
      if (leave === undefined) return;
      begun.push(name);
      leaves.set(name, leave);
    });
    await settled();
    return () => state;
  };
  const end = async (name: string) => {
    leaves.get(name)?.();
    leaves.delete(name);
    await settled();
  };
  /** Makes targets known as fast. */
  const know = async (...targets: Target[]) => {
    for (const target of targets) (await slots.enter(target, new AbortController().signal))?.();
  };
  /** Asks for deliveries to different hosts, and counts how many begin. */
  const fill = async (key: string, hosts: readonly string[]) => {
    const states = await Promise.all(hosts.map((host) => enter(`${host} ${key}`, at(host, key))));
    return states.filter((state) => state() === 'begun').length;
  };
  return { enter, end, know, fill, begun, close: () => slots.close(), pass: (more: number) => (ms += more) };
}

const settled = () => new Promise(setImmediate);

describe('slots', () => {
  it('bound the deliveries to each host until one ends, and then begin the first that waits', async () => {
    const { enter, end, begun } = open({ perHost: 2 });
    for (const name of ['1', '2', '3', '4']) await enter(name, at('a'));
    await enter('other', at('b'));
    expect(begun).toEqual(['1', '2', 'other']);
    await end('2');
    await end('1');
    expect(begun).toEqual(['1', '2', 'other', '3', '4']);
  });

  it('leave a host free for a key to which it is fast while it does not answer another key', async () => {
    const { enter, know, pass } = open({ perHost: 2, concurrency: 4 });
    await know(at('a', 'ben'));
    await enter('1', at('a'));
    await enter('2', at('a'));
    pass(1500);
    expect((await enter('3', at('a')))()).toBe('waiting');
    expect((await enter('4', at('a', 'ben')))()).toBe('begun');
  });

  it('leave half of all slots to unknown hosts together', async () => {
    const { enter, know } = open({ concurrency: 4 });
    await know(at('a'));
    await enter('1', at('x', 'ben'));
    await enter('2', at('y', 'carl'));
    expect((await enter('3', at('z')))()).toBe('waiting');
    expect((await enter('4', at('a')))()).toBe('begun');
  });

  it('leave a key a quarter of all slots for slow and unknown hosts, and the rest of the half to other keys', async () => {
    const { enter, end, know, fill } = open();
    await know(at('good'));
    const dead = Array.from({ length: 20 }, (_, n) => `dead${n}`);
    expect(await fill('anna', dead)).toBe(16);
    expect((await enter('1', at('new')))()).toBe('waiting');
    expect((await enter('2', at('new', 'ben')))()).toBe('begun');
    expect((await enter('3', at('good')))()).toBe('begun');
    await end('2');
    expect(await fill('carl', dead)).toBe(8);
  });

  it('give each key as many slots as it leaves free, also for fast hosts', async () => {
    const { enter, know, fill } = open({ concurrency: 8, perHost: 1 });
    const hosts = ['a', 'b', 'c', 'd', 'e'];
    const keys = ['anna', 'ben', 'carl', 'dora'];
    for (const key of keys) await know(...hosts.map((host) => at(host, key)));
    const filled: number[] = [];
    for (const key of keys) filled.push(await fill(key, hosts));
    expect(filled).toEqual([4, 2, 1, 1]);
    expect((await enter('1', at('f', 'eve')))()).toBe('waiting');
  });

  it('give a free slot to the key with the fewest, however many deliveries and hosts the others have', async () => {
    const { end, know, fill, begun } = open({ concurrency: 8 });
    const hosts = ['a', 'b', 'c', 'd', 'e'];
    for (const key of ['anna', 'ben', 'carl']) await know(...hosts.map((host) => at(host, key)));
    await fill('anna', hosts);
    await fill('carl', hosts);
    await fill('ben', hosts);
    expect(begun).toEqual(['a anna', 'b anna', 'c anna', 'd anna', 'a carl', 'b carl', 'a ben']);
    await end('a anna');
    expect(begun.slice(7)).toEqual(['b ben']);
    await end('a carl');
    expect(begun.slice(8)).toEqual(['c carl']);
  });

  it('count a host as slow after a slow answer or during one, until it answers fast', async () => {
    const { enter, end, pass, begun } = open({ concurrency: 4 });
    for (const name of ['1', '2']) await enter(name, at('a'));
    expect(begun).toEqual(['1']);
    await end('1');
    await enter('3', at('a'));
    expect(begun).toEqual(['1', '2', '3']);
    pass(1500);
    await end('2');
    await enter('4', at('a'));
    expect(begun).toEqual(['1', '2', '3']);
    await end('3');
    await enter('5', at('a'));
    expect(begun).toEqual(['1', '2', '3', '4']);
    await end('4');
    await enter('6', at('a'));
    expect(begun).toEqual(['1', '2', '3', '4', '5', '6']);
  });

  it('let as many deliveries of a key wait as it leaves places free, and refuse the others', async () => {
    const { enter, close } = open({ perHost: 1, places: 8 });
    const ofAnna = await Promise.all(Array.from({ length: 7 }, (_, n) => enter(`${n}`, at('a'))));
    const ofBen = await Promise.all(Array.from({ length: 5 }, (_, n) => enter(`${n}`, at('a', 'ben'))));
    const states = (all: readonly (() => string)[]) => all.map((state) => state());
    expect(states(ofAnna)).toEqual(['begun', ...Array(4).fill('waiting'), 'refused', 'refused']);
    expect(states(ofBen)).toEqual(['begun', 'waiting', 'waiting', 'refused', 'refused']);
    close();
    await settled();
    expect(states(ofAnna).slice(1)).toEqual(Array(6).fill('refused'));
    expect(states(ofAnna)[0]).toBe('begun');
  });
});
