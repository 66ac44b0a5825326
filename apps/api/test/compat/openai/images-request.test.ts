import { FleetError } from '@comfy-fleet/contracts';
import { describe, expect, it } from 'vitest';
import { createImagesReader, lodOfQuality } from '../../../src/facades/openai/images-request.js';

const LIMITS = {
  maxPromptChars: 100,
  maxSteps: 150,
  maxCfg: 30,
  minSize: 64,
  maxSize: 2048,
  maxCount: 8,
  maxJobPixels: 1_000_000_000,
  maxMetadataBytes: 1024,
  maxQueuedSeconds: 60,
};
const read = createImagesReader(LIMITS);
const json = (body: object) => read({ body, isForm: false });
const faultsOf = (body: object) => {
  try {
    return json(body);
  } catch (error) {
    return (error as FleetError).errors.map(({ pointer }) => pointer);
  }
};

describe('a request for pictures', () => {
  it('is read without the parameters of OpenAI and others that have no effect here', () => {
    const sent = { prompt: 'a fox', model: 'text2img@final', n: 2, size: '512x512', quality: 'hd', stream: true };
    expect(json({ ...sent, user: 'me', style: 'vivid', moderation: 'low', steps: 4, seed: [1] })).toEqual(sent);
  });

  it('treats null and empty strings as missing', () => {
    const body = { prompt: 'a fox', n: null, size: '', quality: null, output_format: '', model: '', stream: null };
    expect(json(body)).toEqual({ prompt: 'a fox' });
  });

  it('is read from a form, where every value is text', () => {
    const body = { prompt: '7', n: '2', output_compression: '80', stream: 'true', partial_images: '3', size: 'auto' };
    expect(read({ body, isForm: true })).toEqual({
      prompt: '7',
      n: 2,
      output_compression: 80,
      stream: true,
      partial_images: 3,
      size: 'auto',
    });
    expect(() => read({ body: { prompt: 'a', stream: 'perhaps' }, isForm: true })).toThrow(FleetError);
  });

  it.each(['dall-e-2', 'dall-e-3'])('for %s gets URLs unless it asks for base64', (model) => {
    expect(json({ prompt: 'a fox', model }).response_format).toBe('url');
    expect(json({ prompt: 'a fox', model, response_format: 'b64_json' }).response_format).toBe('b64_json');
    expect(json({ prompt: 'a fox', model: `${model}x` }).response_format).toBeUndefined();
  });

  it('is refused with a pointer to every error', () => {
    expect(faultsOf({})).toEqual(['/prompt']);
    expect(faultsOf({ prompt: '' })).toEqual(['/prompt']);
    expect(faultsOf({ prompt: 'x', n: 11, size: '1024', quality: 'best', partial_images: 4 })).toEqual([
      '/n',
      '/size',
      '/quality',
      '/partial_images',
    ]);
    expect(faultsOf({ prompt: 'x', output_format: 'gif', response_format: 'file', output_compression: 101 })).toEqual([
      '/output_format',
      '/output_compression',
      '/response_format',
    ]);
  });

  it('maps the quality to a level of detail', () => {
    const levels = (['low', 'medium', 'auto', 'standard', 'high', 'hd', 'xhigh', 'max'] as const).map((quality) =>
      lodOfQuality({ quality }),
    );
    expect(levels).toEqual(['sketch', undefined, undefined, undefined, 'final', 'final', 'final', 'final']);
    expect(lodOfQuality({})).toBeUndefined();
  });
});
