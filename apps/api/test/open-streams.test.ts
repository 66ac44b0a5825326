import { ANONYMOUS } from '@comfy-fleet/contracts';
import { describe, expect, it } from 'vitest';
import { createOpenStreams, openUntil, type StreamLimits } from '../src/server/key-limits.js';

const code = (expected: string) => expect.objectContaining({ code: expected });

/** `shown` is the value of the gauge. */
function streamsOf(limits: Partial<StreamLimits>) {
  const gauge = {
    shown: 0,
    inc: () => {
      gauge.shown += 1;
    },
    dec: () => {
      gauge.shown -= 1;
    },
  };
  const streams = createOpenStreams({ most: 100, mostOfKey: 10, reservedForKey: 0, ...limits }, gauge);
  return { ...streams, gauge };
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

describe('a stream that is open until a signal aborts', () => {
  it('no longer counts after that', () => {
    const streams = streamsOf({ mostOfKey: 1 });
    const request = new AbortController();
    openUntil(request.signal, streams, 'a');
    expect(() => openUntil(new AbortController().signal, streams, 'a')).toThrow(code('too_many_streams'));
    request.abort();
    streams.open('a');
  });

  it('is not opened for a request that has ended', () => {
    const streams = streamsOf({ mostOfKey: 1 });
    expect(() => openUntil(AbortSignal.abort('gone'), streams, 'a')).toThrow('gone');
    streams.open('a');
  });
});
