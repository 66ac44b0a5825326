import { describe, expect, it } from 'vitest';
import { type SlotLimits, Slots, type Target } from '../src/webhooks/slots.js';

/** A target of a key. */
const at = (host: string, key = 'anna'): Target => ({ host, key });

/** Slots; records which deliveries have begun. */
function open({ places = 1000, ...limits }: Partial<SlotLimits> & { readonly places?: number } = {}) {
  const slots = new Slots({ concurrency: 64, perKey: 32, perHost: 4, ...limits }, places);
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
  return { enter, end, begun, close: () => slots.close() };
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

  it('bound the deliveries of a key to all hosts, and not those of another key to the same hosts', async () => {
    const { enter, end, begun } = open({ perKey: 2, perHost: 1 });
    for (const host of ['a', 'b', 'c']) await enter(host, at(host));
    for (const host of ['a', 'b']) await enter(`${host} of ben`, at(host, 'ben'));
    expect(begun).toEqual(['a', 'b', 'a of ben', 'b of ben']);
    await end('a of ben');
    expect(begun).toHaveLength(4);
    await end('a');
    expect(begun.slice(4)).toEqual(['c']);
  });

  it('bound the deliveries of all keys, and begin those that wait in the order of their arrival', async () => {
    const { enter, end, begun } = open({ concurrency: 2 });
    for (const key of ['anna', 'ben', 'carl', 'dora']) await enter(key, at('a', key));
    expect(begun).toEqual(['anna', 'ben']);
    await end('ben');
    await end('anna');
    expect(begun.slice(2)).toEqual(['carl', 'dora']);
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

  it('refuse a delivery that waits when its signal aborts, and give its place to another one', async () => {
    const { enter, end, begun } = open({ perHost: 1 });
    const lost = new AbortController();
    await enter('1', at('a'));
    const second = await enter('2', at('a'), lost.signal);
    await enter('3', at('a'));
    lost.abort();
    await settled();
    expect(second()).toBe('refused');
    await end('1');
    expect(begun).toEqual(['1', '3']);
  });
});
