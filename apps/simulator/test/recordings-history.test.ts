import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { type Json, type JsonObject, toNumber } from '../src/json/values.js';
import { writeJson } from '../src/json/write.js';
import { askJson } from './client.js';
import { putPicture, putTruncatedPicture } from './pictures.js';
import { asObject } from './recording.js';
import { replaySuite } from './replay-suite.js';

replaySuite('0.3.64', 'history', {
  setup: async (_replay, simulator) => {
    writeFileSync(join(simulator.dir, 'input', 'text.png'), 'this is not a picture\n');
    await putTruncatedPicture(simulator, 'input/corrupt.png');
    await putPicture(simulator, 'input/primer.png');
  },
  primed: [
    'submit img2img, input is a text file named .png (passes validation)',
    'submit a graph with a good output and one that raises (4x4 picture into VAEEncode)',
    'submit a long run',
  ],
});
replaySuite('0.3.64', 'no-client-id', { primed: ['submit without client_id'] });

replaySuite('0.3.64', 'extra-data-and-order', {
  settings: { stepMs: 20 },
  primed: ['extra_data with several keys'],
  before: {
    'submit A plain': async (replay, _simulator, exchange) => {
      await replay.untilIdle();
      await replay.startFromQueue(exchange);
    },
  },
  // Prompts of one number run in the order of their ids: the recorded ids must be kept.
  send: (replay, exchange) => {
    if (!/^submit [A-K] /.test(exchange.name)) return undefined;
    const id = asObject(exchange.response?.body).prompt_id ?? null;
    const body = writeJson({ ...asObject(exchange.request?.body), prompt_id: id });
    return replay.check(exchange, Buffer.from(body)).then(() => undefined);
  },
  observe: async (replay, exchange, simulator) => {
    if (exchange.order === undefined) return;
    await replay.untilIdle();
    const ran = Object.values(await askJson(simulator.url, 'GET', '/history')) as JsonObject[];
    const numbers = ran.map(({ prompt }) => toNumber((prompt as Json[])[0]));
    const recorded = (exchange.order as Json[][]).map(([number]) => toNumber(number));
    // The counter stands elsewhere; the row of the kinds is what matters.
    const kinds = (row: number[]) => row.map((number, at) => row.filter((other) => other < number).length * 100 + at);
    expect(kinds(numbers.slice(-recorded.length))).toEqual(kinds(recorded));
  },
});

replaySuite('0.33.0', 'extra-data', {
  // The header itself was not recorded.
  send: (replay, exchange) =>
    exchange.name.includes('that header') || exchange.name.startsWith('header Comfy-Usage-Source')
      ? replay.check(exchange, undefined, { 'Comfy-Usage-Source': 'my-client' }).then(() => undefined)
      : undefined,
});
