import type { Model, ModelCopy, ModelFolder } from '@comfy-fleet/client';
import { describe, expect, it } from 'vitest';
import { factsOf, placeOf, progressOf, rightsText, sentenceOf, wordsOf } from '../../src/models/words.js';

const COPY: ModelCopy = {
  folder: 'a',
  worker: 'gpu-1',
  instances: ['gpu-1/1', 'gpu-1/2'],
  state: 'ready',
  bytes: 2e9,
  fetched: 2e9,
  eta_seconds: null,
  is_ours: true,
  verified_at: null,
  error: null,
};
const model = (part: Partial<Model>) => ({ copies: [], jobs_waiting: 0, by_url: false, ...part }) as unknown as Model;
const folder = { used_bytes: 3e9, max_bytes: 4e9 } as ModelFolder;

describe('the page of models', () => {
  it('sums up what is being fetched, what fails, what jobs wait for, and the disk', () => {
    const data = [
      model({ copies: [COPY], jobs_waiting: 5 }),
      model({ copies: [{ ...COPY, state: 'fetching' }], jobs_waiting: 2 }),
      model({ copies: [{ ...COPY, state: 'failed' }], jobs_waiting: 1 }),
      model({ copies: [{ ...COPY, state: 'failed' }, COPY] }),
    ];
    expect(sentenceOf({ data, folders: [folder, folder] })).toBe(
      '4 models: 1 is being fetched, 1 cannot be fetched and jobs wait for 2. 6 GB of 8 GB of disk are used.',
    );
    expect(sentenceOf({ data: data.slice(0, 1), folders: [] })).toBe('1 model.');
  });

  it('says how far a fetch is, and never 100 % before it ends', () => {
    expect(progressOf({ ...COPY, fetched: 1_999_999_999, eta_seconds: 1 })).toBe('99 % of 2 GB, about 1 s left');
    expect(progressOf({ ...COPY, bytes: 0, fetched: 0 })).toBe('begins');
  });

  it('names the worker of a copy to operators, and its instances to others', () => {
    expect(placeOf(COPY)).toBe('gpu-1');
    const { worker: _, folder: __, ...seen } = COPY;
    expect(placeOf(seen)).toBe('gpu-1/1 and gpu-1/2');
  });

  it('says when a copy was verified, and that files of others are kept', () => {
    const now = Date.parse('2026-11-27T12:00:00Z');
    const copy = { ...COPY, verified_at: '2026-11-27T11:00:00Z', is_ours: false };
    expect(factsOf(copy, now)).toBe('verified 60 min ago, was there before and is never deleted');
    expect(factsOf({ ...COPY, state: 'evicting' }, now)).toBe('is being deleted to make room');
  });

  it('says who may use a model', () => {
    expect(rightsText(model({ keys: null }))).toBe('');
    expect(rightsText(model({ keys: ['acme', 'studio'] }))).toBe('only for acme and studio');
    expect(rightsText(model({ keys: [] }))).toBe('no key may use it');
    expect(rightsText(model({ keys: ['acme'], by_url: true }))).toBe('named by a URL of acme');
  });

  it('takes lists apart at commas and line breaks', () => {
    expect(wordsOf(' acme, studio\n\nother,')).toEqual(['acme', 'studio', 'other']);
  });
});
