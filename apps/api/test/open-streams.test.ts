import { ANONYMOUS } from '@comfy-fleet/contracts';
import { describe, expect, it } from 'vitest';
import { createOpenStreams, openUntil } from '../src/server/key-limits.js';

const code = (expected: string) => expect.objectContaining({ code: expected });

/** `gauge` has the value of the metric; `open` returns a function that closes the stream. */
function streamsOf(limits: Partial<Parameters<typeof createOpenStreams>[0]>) {
  const gauge = {
    shown: 0,
    set: (open: number) => {
      gauge.shown = open;
    },
  };
  const streams = createOpenStreams({ most: 100, mostOfKey: 10, reservedForKey: 0, ...limits }, gauge);
  const open = (key: string) => {
    const request = new AbortController();
    openUntil(request.signal, streams, key);
    return () => request.abort();
  };
  return { open, gauge };
}

describe('the event streams of a process', () => {
  it('are limited in total, and another one can be opened when one has ended', () => {
    const { open, gauge } = streamsOf({ most: 2 });
    const close = open('a');
    open('b');
    expect(() => open('c')).toThrow(code('overloaded'));
    expect(gauge.shown).toBe(2);
    close();
    expect(gauge.shown).toBe(1);
    open('c');
  });

  it('are limited for each key, without affecting other keys', () => {
    const { open } = streamsOf({ mostOfKey: 2 });
    const close = open('a');
    open('a');
    expect(() => open('a')).toThrow(code('too_many_streams'));
    open('b');
    close();
    open('a');
  });

  it('can be opened by a key that has fewer than its reserved ones, even when other keys have used up the rest', () => {
    const { open } = streamsOf({ most: 3, mostOfKey: 3, reservedForKey: 2 });
    for (let n = 0; n < 3; n++) open('a');
    open('b');
    const close = open('b');
    expect(() => open('b')).toThrow(code('overloaded'));
    close();
    open('b');
    open('c');
  });

  it('of a key never exceed its limit, however many are reserved', () => {
    const { open } = streamsOf({ mostOfKey: 1, reservedForKey: 5 });
    open('a');
    expect(() => open('a')).toThrow(code('too_many_streams'));
  });

  it('have neither a limit per key nor reserved ones without API keys', () => {
    const { open } = streamsOf({ most: 5, mostOfKey: 1, reservedForKey: 10 });
    for (let n = 0; n < 5; n++) open(ANONYMOUS);
    expect(() => open(ANONYMOUS)).toThrow(code('overloaded'));
  });
});
