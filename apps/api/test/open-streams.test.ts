import { ANONYMOUS } from '@comfy-fleet/contracts';
import { describe, expect, it } from 'vitest';
import { createOpenStreams } from '../src/access/open-streams.js';

const code = (expected: string) => expect.objectContaining({ code: expected });

describe('the event streams of a process', () => {
  it('are so many in all, and one more when one has ended', () => {
    const streams = createOpenStreams({ most: 2, mostOfKey: 10 });
    const first = streams.open();
    streams.open();
    expect(() => streams.open()).toThrow(code('overloaded'));
    first.close();
    streams.open();
  });

  it('are so many of one key, which leaves the others theirs', () => {
    const streams = createOpenStreams({ most: 100, mostOfKey: 2 });
    const of = (key: string) => {
      const stream = streams.open();
      stream.of(key);
      return stream;
    };
    const first = of('a');
    of('a');
    expect(() => of('a')).toThrow(code('too_many_streams'));
    of('b');
    first.close();
    of('a');
  });

  it('are of nobody in particular without keys', () => {
    const streams = createOpenStreams({ most: 100, mostOfKey: 1 });
    for (let n = 0; n < 5; n++) streams.open().of(ANONYMOUS);
  });

  it('that ended before it was known whose it is counts for nobody', () => {
    const streams = createOpenStreams({ most: 2, mostOfKey: 1 });
    const left = streams.open();
    left.close();
    left.of('a');
    streams.open().of('a');
  });

  it('that was refused its key counts no more when it is closed', () => {
    const streams = createOpenStreams({ most: 2, mostOfKey: 1 });
    streams.open().of('a');
    const refused = streams.open();
    expect(() => refused.of('a')).toThrow(code('too_many_streams'));
    refused.close();
    const next = streams.open();
    expect(() => next.of('a')).toThrow(code('too_many_streams'));
  });
});
