import { resolve } from 'node:path';
import { FleetError } from '@comfy-fleet/contracts';
import type { WorkflowRegistry } from '@comfy-fleet/jobs';
import { createLogger } from '@comfy-fleet/telemetry';
import { expect, it, onTestFinished } from 'vitest';
import { notReady } from '../src/resources/service/routes.js';
import { findServed } from '../src/workflows/find-workflow.js';
import { openLiveWorkflows } from '../src/workflows/live-workflows.js';

const dir = resolve(import.meta.dirname, '../../../workflows');
const log = createLogger({ service: 'api', level: 'error' });

/** A registry whose first read fails. */
function lateRegistry(): WorkflowRegistry {
  let isThere = false;
  const list: WorkflowRegistry['list'] = async () => {
    if (isThere) return new Map();
    isThere = true;
    throw new FleetError('queue_unavailable', 'The job queue cannot be reached.');
  };
  return { list } as unknown as WorkflowRegistry;
}

it('answers queue_unavailable for every workflow until the published workflows have been read', async () => {
  const following = new AbortController();
  onTestFinished(() => following.abort());
  const registry = lateRegistry();
  const options = { dir, checkpoint: undefined, registry, everyMs: 2 ** 30, signal: following.signal, log };
  const workflows = await openLiveWorkflows(options);
  const deps = { workflows, ledger: { ping: async () => 1 } } as unknown as Parameters<typeof notReady>[0];

  for (const name of ['text2img', 'published']) {
    expect(() => findServed(workflows, name)).toThrow(expect.objectContaining({ code: 'queue_unavailable' }));
  }
  expect(await notReady(deps, following.signal)).toEqual(['the published workflows have not been read yet']);
  await workflows.readRegistry();
  expect(findServed(workflows, 'text2img').source).toBe('folder');
  expect(() => findServed(workflows, 'published')).toThrow(expect.objectContaining({ code: 'workflow_not_found' }));
  expect(await notReady(deps, following.signal)).toEqual([]);
});
