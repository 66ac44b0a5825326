import { describe, expect, it } from 'vitest';
import { createEncodeAhead, type EncodeAhead } from '../src/instance/savings.js';

type Options = Parameters<typeof createEncodeAhead>[0];

const GIB = 1024 ** 3;
const anInstance = (over: Partial<Options> = {}) =>
  createEncodeAhead({
    mode: 'on',
    leastSavedMs: 500,
    cacheMode: () => ({ kind: 'lru', nodes: 64 }),
    availableBytes: () => 8 * GIB,
    hasClass: () => true,
    ...over,
  });

/** Prompts of 10 s reach the end of the first step after these ms, with a new text and with a cached one. */
function ran(instance: EncodeAhead, newMs: readonly number[], cachedMs: readonly number[] = [], version = 'v1') {
  for (const firstStepMs of newMs) instance.learn(version, { encoded: true, firstStepMs, endMs: 10_000 });
  for (const firstStepMs of cachedMs) instance.learn(version, { encoded: false, firstStepMs, endMs: 10_000 });
  return instance;
}

describe('encoding ahead', () => {
  it('is on if a new text takes much longer than a cached one, and says what a job saves', () => {
    const instance = ran(anInstance(), [5000, 5200], [1000, 1200]);
    expect(instance.of('v1')).toEqual({ state: 'on', savesMs: 4000, text: 'saves 4.0 s per job' });
  });

  it('is a trial while new texts take long and the time of cached ones is unknown', () => {
    const instance = ran(anInstance(), [5000, 5200], [1000]);
    expect(instance.of('v1').state).toBe('trial');
  });

  it('is off if hints did not make ComfyUI cache the texts', () => {
    const instance = ran(anInstance(), [5000, 5200]);
    instance.hintTook('v1', 1000);
    expect(instance.of('v1').state).toBe('trial');
    instance.hintTook('v1', 1000);
    expect(instance.of('v1')).toMatchObject({ state: 'off', why: 'no_effect' });
  });

  it('counts what a hint costs per job, so that it is off where everything fits into memory', () => {
    const instance = ran(anInstance(), [5000, 5200], [1000, 1200]);
    instance.hintTook('v1', 3800);
    expect(instance.of('v1')).toMatchObject({ state: 'off', why: 'fits' });
  });

  it('is off for savings below half a second, and below a twentieth of a prompt', () => {
    expect(ran(anInstance(), [1400, 1400], [1000, 1000]).of('v1')).toMatchObject({ why: 'fits' });
    const slow = anInstance();
    for (let n = 0; n < 5; n++) slow.learn('v1', { encoded: true, firstStepMs: 3000, endMs: 100_000 });
    expect(slow.of('v1')).toMatchObject({ why: 'fits' });
  });

  it('compares medians of the last five times, so that one slow prompt changes nothing', () => {
    const instance = ran(anInstance(), [...Array(6).fill(9000), 5000, 5000, 60_000, 5000, 5000], [1000, 1000]);
    expect(instance.of('v1')).toMatchObject({ savesMs: 4000 });
  });

  it('is off until two prompts with a new text were observed, and again after a restart', () => {
    const instance = ran(anInstance(), [5000], [1000, 1000]);
    expect(instance.of('v1')).toMatchObject({ state: 'off', why: 'unknown' });
    ran(instance, [5000]);
    expect(instance.of('v1').state).toBe('on');
    instance.forget();
    expect(instance.of('v1')).toMatchObject({ why: 'unknown' });
  });

  it('is off if ComfyUI keeps results of the last prompt only, and says what to add', () => {
    const instance = ran(anInstance({ cacheMode: () => ({ kind: 'last' }) }), [5000, 5000], [1000, 1000]);
    expect(instance.of('v1')).toEqual({
      state: 'off',
      why: 'cache_mode',
      text: 'ComfyUI keeps too few results: start it with --cache-ram 4 4 (0.33 or newer) or --cache-lru 64',
    });
    expect(instance.mostNodes).toBe(0);
  });

  it('needs as much available memory as --cache-ram names', () => {
    let availableBytes = 8 * GIB;
    const cacheMode = () => ({ kind: 'ram', availableBytes: 4 * GIB }) as const;
    const instance = ran(anInstance({ cacheMode, availableBytes: () => availableBytes }), [5000, 5000], [1000, 1000]);
    expect([instance.of('v1').state, instance.mostNodes]).toEqual(['on', Number.POSITIVE_INFINITY]);
    availableBytes = 3 * GIB;
    const text = 'less memory is available than the second number of --cache-ram names';
    expect(instance.of('v1')).toEqual({ state: 'off', why: 'cache_mode', text });
  });

  it.each([
    ['the operator switched it off', { mode: 'off' as const }, 'setting'],
    ['ComfyUI has no PreviewAny', { hasClass: () => false }, 'no_preview_any'],
    ['ComfyUI was not asked yet', { cacheMode: () => undefined }, 'unknown'],
  ])('is off if %s', (_why, over, why) => {
    expect(ran(anInstance(over), [5000, 5000], [1000, 1000]).of('v1')).toMatchObject({ state: 'off', why });
  });

  it('shows the version with the largest saving for the whole instance', () => {
    const instance = ran(anInstance(), [5000, 5000], [1000, 1000]);
    ran(instance, [9000, 9000], [1000, 1000], 'v2');
    ran(instance, [1000, 1000], [1000, 1000], 'v3');
    expect(instance.state).toMatchObject({ state: 'on', savesMs: 8000 });
  });

  it('shows that everything fits rather than that another version is unknown', () => {
    expect(anInstance().state).toMatchObject({ why: 'unknown' });
    expect(ran(anInstance(), [1000, 1000], [1000, 1000]).state).toMatchObject({ why: 'fits' });
  });
});
