import { Readable } from 'node:stream';
import { graphOf, type ResolvedRequest } from '@comfy-fleet/contracts';
import type { OutputRecord } from '@comfy-fleet/jobs';
import { bindGraph, openUpload, type Workflow } from '@comfy-fleet/workflows';
import sharp from 'sharp';
import { expect, it } from 'vitest';
import { createFastSave, type FastSaveOptions } from '../src/submission/fast-save.js';
import { aRequest, folderOnly, quietLog } from './held.js';

const ABLE = { abilities: { SaveAnimatedWEBP: { method: ['default', 'fastest', 'slowest'] } } };
/** Ids of nodes of text2img. */
const [CHECKPOINT, SAMPLER, SAVES] = ['1', '5', '7'];
const { of } = await folderOnly();

interface Given {
  readonly workflow?: Workflow;
  readonly times?: Readonly<Record<string, number>>;
  readonly channels?: 3 | 4;
  readonly options?: Partial<FastSaveOptions>;
}

/** What is submitted for a job of text2img after another one succeeded. */
async function afterOne({ workflow, times = { [SAMPLER]: 10 }, channels = 3, options = {} }: Given = {}) {
  const request: ResolvedRequest = aRequest();
  const known = workflow ?? of(request);
  if (known === undefined) throw new Error('no text2img');
  const png = await sharp({ create: { width: 64, height: 64, channels, background: '#80402080' } })
    .png()
    .toBuffer();
  const fastSave = createFastSave({
    belowMs: 2000,
    workflows: { of: () => known },
    nodeTimes: { of: (version) => new Map(version === graphOf(request) ? Object.entries(times) : []) },
    frames: {
      open: async (_name, { start, end } = { start: 0, end: 0 }) => Readable.from([png.subarray(start, end + 1)]),
    },
    isBusy: () => false,
    log: quietLog(),
    ...options,
  });
  const graphFor = (one: ResolvedRequest) => bindGraph(known, one, { filenamePrefix: 'x', files: new Map() });
  const saved = { nodeId: SAVES, kind: 'image', file: 'a.png', contentType: 'image/png' } as OutputRecord;
  await fastSave.learn(request, graphFor(request), [saved]);
  const classAt = (where: Parameters<typeof fastSave.graphFor>[2], wanted = request) =>
    fastSave.graphFor(wanted, graphFor(wanted), where)[SAVES]?.class_type;
  return { fastSave, request, classAt };
}

it('saves fast after SaveImage wrote a picture without transparency, until told to stop', async () => {
  const { fastSave, request, classAt } = await afterOne();
  expect(classAt({ instance: ABLE })).toBe('SaveAnimatedWEBP');
  expect(classAt({ instance: ABLE, extraData: { extra_pnginfo: { workflow: {} } } })).toBe('SaveAnimatedWEBP');
  const other = { ...request, inputs: { ...request.inputs, checkpoint: 'v1-5-pruned-emaonly.safetensors' } };
  expect(classAt({ instance: ABLE }, other)).toBe('SaveImage');
  const otherInputs = { ...request, inputs: { ...request.inputs, prompt: 'a ferry', steps: 3 } };
  expect(classAt({ instance: ABLE }, otherInputs)).toBe('SaveAnimatedWEBP');
  fastSave.stop(request);
  expect(classAt({ instance: ABLE })).toBe('SaveImage');
});

it.each<[string, Given]>([
  ['its pictures are transparent', { channels: 4 }],
  ['its duration is unknown', { times: {} }],
  ['only its loading time is known', { times: { [CHECKPOINT]: 10 } }],
  ['it takes longer than the setting', { times: { [SAMPLER]: 1e6 } }],
  ['the setting is 0', { options: { belowMs: 0 } }],
  ['more pictures wait for their conversion than should', { options: { isBusy: () => true } }],
])('saves as usual if %s', async (_what, given) => {
  const { classAt } = await afterOne(given);
  expect(classAt({ instance: ABLE })).toBe('SaveImage');
});

it('does not count the time of loading models', async () => {
  const { classAt } = await afterOne({ times: { [CHECKPOINT]: 60_000, [SAMPLER]: 10 } });
  expect(classAt({ instance: ABLE })).toBe('SaveAnimatedWEBP');
});

it('saves as usual if the inputs file of the workflow says so', async () => {
  const workflow = (fast_save: boolean) =>
    openUpload('text2img', JSON.stringify({ graph: of(aRequest())?.graph, inputs: { fast_save } }));
  for (const [allowed, expected] of [
    [true, 'SaveAnimatedWEBP'],
    [false, 'SaveImage'],
  ] as const) {
    const { classAt } = await afterOne({ workflow: workflow(allowed) });
    expect(classAt({ instance: ABLE })).toBe(expected);
  }
});

it('saves as usual on an instance without the fast node, and with texts that a WebP cannot contain', async () => {
  const { classAt } = await afterOne();
  expect(classAt({ instance: { abilities: undefined } })).toBe('SaveImage');
  expect(classAt({ instance: { abilities: { SaveAnimatedWEBP: { method: ['default'] } } } })).toBe('SaveImage');
  for (const extra_pnginfo of [{ workflow: {}, notes: 1 }, 'text', null]) {
    expect(classAt({ instance: ABLE, extraData: { extra_pnginfo } })).toBe('SaveImage');
  }
});
