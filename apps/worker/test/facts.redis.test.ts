import { FleetError } from '@comfy-fleet/contracts';
import { expect, it } from 'vitest';
import { decide } from '../src/job/decide.js';
import { gatherFacts } from '../src/job/facts.js';
import { aClaimedJob, someInstruments, someSlots } from './held.js';
import { aGpu } from './worker-stack.js';

const asking = {
  instruments: someInstruments(),
  whoElse: async () => 1,
  maxAttempts: 3,
  maxRefusals: 10,
  maxInstanceDeaths: 2,
};

it('has only the first of two jobs fail that fail at once on an instance that was not suspect', async () => {
  const slots = someSlots((await aGpu()).url);
  const [first, second] = [await aClaimedJob(slots), await aClaimedJob(slots)];
  const error = new FleetError('node_execution_error', 'the flux capacitor is empty');
  const facts = await Promise.all([first, second].map(({ job }) => gatherFacts(job, error, asking)));
  expect(facts.map((known) => decide(error, known).what)).toEqual(['fail', 'release']);
});
