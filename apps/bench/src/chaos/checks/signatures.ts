import { secretsOf } from '../calls.js';
import { type Breach, type Check, count, tally } from '../check.js';

/** Everybody who knows one of a job's secrets can verify each of its calls, and each was signed when it was made. */
export const signatures: Check = ({ calls, orders, settings }) => {
  const breaches: Breach[] = [];
  const signers: string[] = [];
  const byTag = new Map(orders.map((order) => [order.tag, order]));
  for (const { webhookId, tag, at, timestampSeconds, signatureFaults } of calls) {
    const order = byTag.get(tag);
    if (order !== undefined) signers.push(signerOf(order.callback.secret !== undefined, secretsOf(order).length));
    for (const fault of signatureFaults) {
      breaches.push({
        what: `the signature of ${webhookId} at ${at} is not right: ${fault}`,
        jobId: webhookId.slice(4),
      });
    }
    // Whole seconds, rounded down.
    const age = at - timestampSeconds * 1000;
    if (age >= 0 && age < 1000 + settings.timestampSlackMs) continue;
    breaches.push({
      what: `${webhookId} came at ${at} with the timestamp ${timestampSeconds}`,
      jobId: webhookId.slice(4),
    });
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
