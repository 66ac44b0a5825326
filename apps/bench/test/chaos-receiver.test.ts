import { Webhook } from 'standardwebhooks';
import { afterEach, expect, it } from 'vitest';
import type { PlannedJob } from '../src/trials/orders/plan-orders.js';
import { type Receiver, startReceiver } from '../src/trials/people/receiver.js';
import { id, order } from './chaos-evidence.js';

const secret = (letter: string) => `whsec_${Buffer.alloc(32, letter).toString('base64')}`;
const [ONE, TWO, OTHER] = [secret('a'), secret('b'), secret('c')] as const;
const rotating = { id: 'rotating', key: 'cf_key', secrets: [ONE, TWO], jobsRunning: 9 };
const MESSAGE = {
  type: 'job.succeeded',
  timestamp: '2027-01-15T08:00:00.000Z',
  data: { id: id(1), status: 'succeeded', outputs: [{ sha256: 'a' }] },
};

let receiver: Receiver | undefined;
const kills: number[] = [];
afterEach(() => receiver?.close());

async function receive(job: PlannedJob): Promise<Receiver> {
  kills.length = 0;
  receiver = await startReceiver([job], (afterMs) => kills.push(afterMs));
  return receiver;
}

/** Posts a message as a dispatcher with these secrets does. Resolves to undefined if the connection was reset. */
async function post(secrets: readonly string[], { path = '/1', at = new Date(), webhookId = `msg_${id(1)}` } = {}) {
  const body = JSON.stringify(MESSAGE);
  const headers = {
    'webhook-id': webhookId,
    'webhook-timestamp': `${Math.floor(at.getTime() / 1000)}`,
    'webhook-signature': secrets.map((each) => new Webhook(each).sign(webhookId, at, body)).join(' '),
  };
  const question = { method: 'POST', headers, body, signal: AbortSignal.timeout(60_000) };
  return fetch(`${receiver?.url}${path}`, question).catch(() => undefined);
}

it('answers the calls of a job as planned, repeats the last answer, and records each call', async () => {
  const answers = [{ status: 503, retryAfterSeconds: 1 }, 'reset', { status: 204 }] as const;
  const { calls } = await receive(order(1, { caller: rotating, callback: { ...order(1).callback, answers } }));
  const busy = await post([ONE, TWO]);
  expect([busy?.status, busy?.headers.get('retry-after')]).toEqual([503, '1']);
  expect(await post([ONE, TWO])).toBeUndefined();
  for (let n = 0; n < 2; n += 1) expect((await post([ONE, TWO]))?.status).toBe(204);
  expect(calls.map(({ answer }) => answer)).toEqual([...answers, { status: 204 }]);
  expect(calls.map(({ at, answeredAt = 0 }) => answeredAt >= at)).toEqual([true, false, true, true]);
  expect(calls[0]).toMatchObject({
    tag: '1',
    webhookId: `msg_${id(1)}`,
    signatureFaults: [],
    type: 'job.succeeded',
    endedAt: MESSAGE.timestamp,
    jobId: id(1),
    status: 'succeeded',
    sha256s: ['a'],
  });
});

it('starts again with the first answer for another job of the same order', async () => {
  const answers = [{ status: 500 }, { status: 200 }];
  await receive(order(1, { caller: rotating, callback: { ...order(1).callback, answers } }));
  const statuses = [];
  for (const n of [1, 1, 2]) statuses.push((await post([ONE, TWO], { webhookId: `msg_${id(n)}` }))?.status);
  expect(statuses).toEqual([500, 200, 500]);
});

it('has the dispatchers killed at the last planned answer, once per job', async () => {
  const callback = { ...order(1).callback, answers: [{ status: 500 }, { status: 200 }], killAfterMs: 3 };
  await receive(order(1, { caller: rotating, callback }));
  await post([ONE, TWO]);
  expect(kills).toEqual([]);
  for (let n = 0; n < 2; n += 1) await post([ONE, TWO]);
  expect(kills).toEqual([3]);
});

it.each([
  ['by both secrets of its key', [ONE, TWO], undefined, 0],
  ['by one of them alone', [TWO], undefined, 1],
  ['by no secret', [], undefined, 2],
  ['by another secret', [OTHER], undefined, 2],
  ['by its own secret', [OTHER], OTHER, 0],
  ['by its key’s secrets in place of its own', [ONE, TWO], OTHER, 1],
])('verifies a call that was signed %s', async (_, signers, own, faults) => {
  const { calls } = await receive(order(1, { caller: rotating, callback: { ...order(1).callback, secret: own } }));
  await post(signers);
  expect(calls[0]?.signatureFaults).toHaveLength(faults);
});

it('rejects an old timestamp', async () => {
  const { calls } = await receive(order(1, { caller: rotating }));
  await post([ONE, TWO], { at: new Date(Date.now() - 6 * 60_000) });
  expect(calls[0]?.signatureFaults).toHaveLength(2);
});

it('records a call for an unknown order', async () => {
  const { calls } = await receive(order(1, { caller: rotating }));
  expect((await post([ONE], { path: '/2' }))?.status).toBe(404);
  expect(calls[0]).toMatchObject({ tag: '2', signatureFaults: ['nobody'] });
});
