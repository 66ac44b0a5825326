import { newId } from '@comfy-fleet/contracts';
import type { NewJob } from '@comfy-fleet/jobs';
import { openUpload } from '@comfy-fleet/workflows';
import { expect, it } from 'vitest';
import { aRequest } from './held.js';
import { aGpu, namesIn, openStack, someStores } from './worker-stack.js';

const IMAGE = { class_type: 'EmptyImage', inputs: { width: 64, height: 64, batch_size: 1, color: 255 } };
const saving = (from: string) => ({ class_type: 'SaveImage', inputs: { images: [from, 0], filename_prefix: 'x' } });
const LOOP = { class_type: 'ProbeLoop', inputs: { image: ['1', 0], rounds: 3, filename_prefix: 'x' } };
const FAILING = { class_type: 'ProbeFail', inputs: { image: ['1', 0], message: 'boom' } };

/** The ended job of such a graph, and the stored files. */
async function run(graph: object, { outputs, origin }: { readonly outputs?: string[]; readonly origin?: string } = {}) {
  const stack = await openStack();
  const gpu = await aGpu(0, { probeNodes: true });
  const stores = await someStores();
  await stack.answering();
  const { version, text } = openUpload('graph', JSON.stringify(graph));
  const request = {
    ...aRequest(),
    ...{ workflow: 'graph', version, inputs: {} },
    ...(outputs === undefined ? {} : { outputs }),
  };
  const job: NewJob = {
    ...{ id: newId(), kind: 'workflow', request, source: { version, text } },
    ...{ pool: 'default', startWithinMs: 600_000, origin },
  };
  await stack.ledger.orders.create({ jobs: [job], caller: 'anna' });
  await stack.startWorker('gpu-1', [gpu.url], { stores });
  return { record: await stack.ended(job.id), stored: () => namesIn(stores.frames) };
}

it.each([
  ['of our own API', {}],
  ["of our own API that asks for the loop's output", { outputs: ['output'] }],
  ["of ComfyUI's API", { outputs: ['output'], origin: '{}' }],
])('keeps pictures that a graph saves only in expanded nodes, for a job %s', async (_whose, asked) => {
  const { record } = await run({ 1: IMAGE, 2: LOOP }, asked);
  const { status, outputs } = record;
  expect([status, outputs.map(({ nodeId, name }) => [nodeId, name])]).toEqual([
    'succeeded',
    ['2.0.0.2', '2.0.0.4', '2.0.0.6'].map((id) => [id, 'output']),
  ]);
  expect(outputs[0]?.expandedFrom).toEqual({ display: '2', parent: '2', real: '2' });
});

it("keeps for ComfyUI's API also what an expanded node only shows on the way to an output", async () => {
  const expanding = { class_type: 'ProbeExpand', inputs: { image: ['1', 0], seed: 1 } };
  const { record } = await run({ 1: IMAGE, 2: expanding, 3: saving('2') }, { outputs: ['image'], origin: '{}' });
  expect(record.outputs.map(({ nodeId, listed }) => [nodeId, listed?.type])).toEqual([
    ['3', undefined],
    ['2.0.0.3', 'temp'],
  ]);
});

it('keeps values that a node shows, and succeeds when it shows none', async () => {
  const showing = (values: string) => ({
    1: IMAGE,
    2: saving('1'),
    9: { class_type: 'ProbeValues', inputs: { values } },
  });
  const shown = await run(showing('{"tags": ["a", "b"], "value": [3.5]}'));
  expect(shown.record.outputs).toMatchObject([
    { nodeId: '2', kind: 'image' },
    { nodeId: '9', kind: 'text', text: '{"tags":["a","b"],"value":[3.5]}', listed: { isValues: true } },
  ]);
  const { 2: _saves, ...nothing } = showing('{}');
  expect((await run(nothing)).record).toMatchObject({ status: 'succeeded', outputs: [], error: null });
});

it('keeps outputs of nodes that finished before another one failed, and reports that failure', async () => {
  const { record, stored } = await run({ 1: IMAGE, 2: FAILING, 3: saving('2'), 4: saving('1') });
  expect(record).toMatchObject({
    status: 'failed',
    error: { code: 'node_execution_error', nodeId: '2' },
    outputs: [{ nodeId: '4', kind: 'image' }],
  });
  expect(await stored()).toEqual(record.outputs.map(({ file }) => file));
});
