import { FleetError } from '@comfy-fleet/contracts';
import { createMetrics } from '@comfy-fleet/telemetry';
import { expect, it } from 'vitest';
import { settleFault } from '../src/job/settle-fault.js';
import { createInstruments } from '../src/reporting/instruments.js';
import { aHeldJob, quietLog } from './held.js';
import { aGpu } from './worker-stack.js';

it('fails only the first of two jobs that fail at once on an instance that was not suspect', async () => {
  const { url } = await aGpu();
  const [{ job: first }, { job: second }] = [await aHeldJob(url), await aHeldJob(url)];
  const error = new FleetError('node_execution_error', 'the flux capacitor is empty') as FleetError & {
    readonly code: 'node_execution_error';
  };
  const tools = {
    instruments: createInstruments(createMetrics({ service: 'test', log: quietLog() })),
    whoElse: async () => 1,
    tellOpinion: async () => {},
  };
  const settlements = await Promise.all(
    [first, second].map(({ record }) => settleFault({ record, instance: first.instance }, error, tools)),
  );
  expect(settlements).toEqual([{ error }, expect.objectContaining({ delayMs: 0, because: 'elsewhere' })]);
});
