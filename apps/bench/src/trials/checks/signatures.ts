import { jobIdOf } from '../evidence/calls-by-job.js';
import { secretsOf } from '../people/calls.js';
import { type Breach, type Check, count, tally } from './check.js';

/** Everybody who knows one of a job's secrets can verify each of its calls, and each was signed when it was made. */
export const signatures: Check = ({ calls, orders, settings }) => {
  const breaches: Breach[] = [];
  const signers: string[] = [];
  const byTag = new Map(orders.map((order) => [order.tag, order]));
  for (const call of calls) {
    const { webhookId, at, timestampSeconds, signatureFaults } = call;
    const jobId = jobIdOf(call);
    const order = byTag.get(call.tag);
    if (order !== undefined) signers.push(signerOf(order.callback.secret !== undefined, secretsOf(order).length));
    for (const fault of signatureFaults) {
      breaches.push({ what: `the signature of ${webhookId} at ${at} is not right: ${fault}`, jobId });
    }
    // Whole seconds, rounded down.
    const age = at - timestampSeconds * 1000;
    if (age >= 0 && age < 1000 + settings.timestampSlackMs) continue;
    breaches.push({ what: `${webhookId} came at ${at} with the timestamp ${timestampSeconds}`, jobId });
  }
  return {
    rows: [
      ['signatures verified', count(calls, ({ signatureFaults }) => signatureFaults.length === 0)],
      ['… by secret', tally(signers)],
    ],
    breaches,
  };
};

function signerOf(isOwn: boolean, secrets: number): string {
  if (isOwn) return "the job's own";
  return secrets === 1 ? "the key's" : "the key's, rotating";
}
