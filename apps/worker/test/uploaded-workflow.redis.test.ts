import { newId } from '@comfy-fleet/contracts';
import type { NewJob } from '@comfy-fleet/jobs';
import { openUpload } from '@comfy-fleet/workflows';
import { expect, it } from 'vitest';
import { aRequest } from './held.js';
import { aGpu, openStack } from './worker-stack.js';

/** No file of any folder: a picture of one colour. */
const graphOf = (width: number) =>
  JSON.stringify({
    1: { class_type: 'EmptyImage', inputs: { width, height: 64, batch_size: 1, color: 255 } },
    2: { class_type: 'SaveImage', inputs: { images: ['1', 0], filename_prefix: 'x' } },
  });

function jobOf(name: string, graph: string): NewJob {
  const { version, text } = openUpload(name, graph);
  const request = { ...aRequest(), workflow: name, version, inputs: {} };
  return { id: newId(), kind: 'workflow', request, source: { version, text }, pool: 'default', startWithinMs: 60_000 };
}

async function setUp() {
  const stack = await openStack();
  const gpu = await aGpu();
  await stack.answering();
  return {
    ...stack,
    order: (jobs: readonly NewJob[]) => stack.ledger.orders.create({ jobs, caller: 'anna' }),
    begin: () => stack.startWorker('gpu-1', [gpu.url]),
  };
}

it('runs a workflow of which the worker has no file', async () => {
  const { order, begin, ended } = await setUp();
  const job = jobOf('colour', graphOf(64));
  await order([job]);
  await begin();
  expect(await ended(job.id)).toMatchObject({ status: 'succeeded', error: null });
});

it('runs each job in the version that it was accepted with, whatever the name means by then', async () => {
  const { order, begin, ended } = await setUp();
  const jobs = [64, 128, 64].map((width) => jobOf('colour', graphOf(width)));
  await order(jobs);
  await begin();
  const widths: (number | undefined)[] = [];
  for (const { id } of jobs) widths.push((await ended(id)).outputs[0]?.width);
  expect(widths).toEqual([64, 128, 64]);
});

it('fails a job whose version is not there, and says so', async () => {
  const { order, begin, ended } = await setUp();
  const { source: _none, ...job } = jobOf('colour', graphOf(64));
  await order([{ ...job, request: { ...job.request, version: '0'.repeat(64) } }]);
  await begin();
  expect(await ended(job.id)).toMatchObject({ status: 'failed', error: { code: 'workflow_missing' } });
});
