import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { JsonObject } from '../src/python.js';
import { shortly } from './client.js';
import { asObject, recording } from './recording.js';
import { Running } from './running.js';

describe('0.33.0 preview-method', () => {
  let running: Running;
  beforeAll(async () => {
    running = await Running.start({ version: '0.33.0' });
  });
  afterAll(() => running.close());

  for (const exchange of recording('0.33.0', 'preview-method')) {
    if (exchange.request === undefined) continue;
    it(`sends as many previews as recorded: ${exchange.name}`, async () => {
      const { prompt, extra_data } = asObject(exchange.request?.body);
      const from = running.listener.frames.length;
      await running.run(prompt as JsonObject, { extra_data: extra_data ?? {} });
      const frames = running.listener.frames.slice(from);
      expect(frames.filter(Buffer.isBuffer)).toHaveLength(Number(exchange.binary_frames));
      const order = frames.map((frame) => shortly(frame).replace(/:.*/, ''));
      expect(order).toEqual(exchange.ws_types_in_order);
    });
  }

  it('uses the method of the command line again for the next prompt', async () => {
    running.simulator.set({ previewMethod: 'none' });
    const last = recording('0.33.0', 'preview-method').findLast(({ request }) => request !== undefined);
    const { prompt } = asObject(last?.request?.body);
    const from = running.listener.frames.length;
    const other = {
      ...(prompt as JsonObject),
      '2': { class_type: 'CLIPTextEncode', inputs: { clip: ['1', 1], text: 'other' } },
    };
    await running.run(other);
    expect(running.listener.frames.slice(from).filter(Buffer.isBuffer)).toEqual([]);
  });
});
