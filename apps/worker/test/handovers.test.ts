import { describe, expect, it } from 'vitest';
import { Handovers } from '../src/slots/gpu-meter.js';

describe('the time that a GPU stood still', () => {
  it('is none before the first prompt has ended', () => {
    expect(new Handovers().began('default', 100)).toBeUndefined();
  });

  it('is from the end of one prompt to the beginning of the next', () => {
    const handovers = new Handovers();
    handovers.ended(100);
    expect(handovers.began('default', 130)).toBe(30);
  });

  it('is from the latest of several ends', () => {
    const handovers = new Handovers();
    handovers.ended(100);
    handovers.ended(90);
    expect(handovers.began('default', 130)).toBe(30);
  });

  it('is 0 when the next began before the end was heard of', () => {
    const handovers = new Handovers();
    handovers.ended(100);
    expect(handovers.began('default', 98)).toBe(0);
  });

  it('does not count when the pool had nothing in between', () => {
    const handovers = new Handovers();
    handovers.ended(100);
    handovers.hadNothing('default', 110);
    expect(handovers.began('default', 130)).toBeUndefined();
    handovers.ended(140);
    expect(handovers.began('default', 145)).toBe(5);
  });

  it('counts for a job of a pool that had some, although another pool had nothing', () => {
    const handovers = new Handovers();
    handovers.ended(100);
    handovers.hadNothing('other', 110);
    expect(handovers.began('default', 130)).toBe(30);
  });

  it('does not count when the instance could be given nothing in between', () => {
    const handovers = new Handovers();
    handovers.ended(100);
    handovers.wasOut(110);
    expect(handovers.began('default', 130)).toBeUndefined();
  });
});
