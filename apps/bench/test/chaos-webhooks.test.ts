import { describe, expect, it } from 'vitest';
import { CHAOS } from '../src/trials/chaos/settings.js';
import { deliveryLogs } from '../src/trials/checks/delivery-logs.js';
import { orders } from '../src/trials/checks/jobs.js';
import { callbacks, repeats, signatures } from '../src/trials/checks/webhooks.js';
import type { Call, Evidence } from '../src/trials/evidence/evidence.js';
import { attempt, call, canceled, delivery, evidence, history, id, job, order, post, T0 } from './chaos-evidence.js';

const words = (finding: { breaches: readonly { what: string }[] }) => finding.breaches.map(({ what }) => what);
const { callback } = order(1);
const error = { status: 500 };
const GONE = { status: 410 };
const dead = (process: string, killedAt: number, upAt = killedAt + 500) => ({ process, pid: 1, killedAt, upAt });

describe('callbacks', () => {
  it('reports an end that was not notified, also if all calls failed', () => {
    expect(words(callbacks(evidence({ calls: [] })))).toEqual([
      `the end of job ${id(1)} (succeeded) was not notified in 0 calls`,
    ]);
    expect(words(callbacks(evidence({ calls: [call(1, { answer: error }), call(1, { answer: 'reset' })] })))).toEqual([
      `the end of job ${id(1)} (succeeded) was not notified in 2 calls`,
    ]);
  });

  it('accepts a 410 as final, and counts it', () => {
    const finding = callbacks(evidence({ calls: [call(1, { answer: GONE })] }));
    expect(words(finding)).toEqual([]);
    expect(finding.rows).toContainEqual(['… stopped by a 410', 1]);
    expect(finding.rows).toContainEqual(['… accepted with a 2xx', 0]);
  });

  it('reports a call for an end that the order does not want notified, but not a missing one', () => {
    const picky = [order(1, { callback: { ...callback, events: ['job.succeeded'] } })];
    expect(words(callbacks(canceled({ orders: picky, calls: [] })))).toEqual([]);
    expect(words(callbacks(canceled({ orders: picky })))).toEqual([
      `job ${id(1)} (canceled) was notified without a request`,
    ]);
  });

  it('reports a call for a job that has not ended', () => {
    const jobs = new Map([[id(1), job(1, { status: 'running', finished_at: null })]]);
    expect(words(callbacks(evidence({ jobs })))).toEqual([
      `the call msg_${id(1)} at ${T0 + 620} came although the job is running`,
    ]);
  });

  it.each<[string, Partial<Call>]>([
    ['for an unknown job', { webhookId: `msg_${id(9)}` }],
    ['for another job', { jobId: id(2) }],
    ['at another job’s address', { tag: '2' }],
    ['with another type', { type: 'job.failed' }],
    ['with another status', { status: 'failed' }],
    ['with another time', { endedAt: new Date(T0 + 601).toISOString() }],
    ['before the end', { at: T0 + 599 }],
    ['with other outputs', { sha256s: [] }],
    ['that cannot be read', { type: undefined, status: undefined, jobId: undefined }],
  ])('reports a call %s, also if it is a repeat', (_, wrong) => {
    expect(callbacks(evidence({ calls: [call(1), call(1, wrong)] })).breaches).toHaveLength(1);
  });

  it('reports a call with an unknown webhook-id, and that the job was not notified', () => {
    expect(callbacks(evidence({ calls: [call(1, { webhookId: 'undefined' })] })).breaches).toHaveLength(2);
  });
});

describe('signatures', () => {
  it('reports a signature that does not match one of the secrets', () => {
    const finding = signatures(evidence({ calls: [call(1, { signatureFaults: ['No matching signature found'] })] }));
    expect(words(finding)).toEqual([
      `the signature of msg_${id(1)} at ${T0 + 620} is wrong: No matching signature found`,
    ]);
    expect(finding.rows).toContainEqual(['signatures verified', 0]);
  });

  it.each([
    ['later than its arrival', T0 / 1000 + 1, 1],
    ['older than a delivery takes', T0 / 1000 - 6, 1],
    ['slightly older than its arrival', T0 / 1000 - 5, 0],
    ['not a number', Number.NaN, 1],
  ])('checks a timestamp that is %s', (_, timestampSeconds, breaches) => {
    expect(signatures(evidence({ calls: [call(1, { timestampSeconds })] })).breaches).toHaveLength(breaches);
  });
});

describe('repeats', () => {
  const second = call(1, { at: T0 + 3000 });
  const twice = (more: Partial<Evidence> = {}, first: Partial<Call> = {}) =>
    evidence({ calls: [call(1, first), second], ...more });

  it.each([[{ status: 204 }], [GONE]])('reports an unexplained call after %j', (answer) => {
    const finding = repeats(twice({}, { answer }));
    expect(finding.breaches).toHaveLength(1);
    expect(finding.rows).toContainEqual(['… unexplained', 1]);
  });

  it.each([
    ['dispatcher1', 'dispatcher killed'],
    ['redis', 'redis killed'],
  ])('explains it if %s died before the result was recorded, and counts that', (process, cause) => {
    const finding = repeats(twice({ outages: [dead(process, T0 + 630)] }));
    expect(words(finding)).toEqual([]);
    expect(finding.rows).toContainEqual(['… by cause', `${cause} 1`]);
  });

  it.each([
    ['a dispatcher died before the second in which the call was signed', dead('dispatcher1', T0 - 1)],
    ['a dispatcher died long after the call', dead('dispatcher2', T0 + 621 + CHAOS.recordSlackMs)],
    ['Redis had been up for a long time', dead('redis', T0 - 2000)],
    ['Redis died long after the call', dead('redis', T0 + 621 + CHAOS.recordSlackMs)],
    ['a worker died', dead('worker1', T0 + 630)],
  ])('does not explain it if %s', (_, outage) => {
    expect(repeats(twice({ outages: [outage] })).breaches).toHaveLength(1);
  });

  it.each([
    ['explains it if a dispatcher logged that it lost the lock of the webhook', 1, T0 + 700, 0],
    ['does not explain it if that was the lock of another job', 2, T0 + 700, 1],
    ['does not explain it if that was long after the call', 1, T0 + 621 + CHAOS.recordSlackMs, 1],
  ])('%s', (_, n, at, breaches) => {
    const timestamp = new Date(at).toISOString();
    const lines = [
      { job: id(n), message: 'webhook attempt aborted: its lock was lost', timestamp },
      ...[
        `could not renew lock for job msg_${id(n)}`,
        `Missing lock for job msg_${id(n)}. moveToFinished`,
        `Lock mismatch for job msg_${id(n)}. Cmd moveToFinished from active`,
      ].map((message) => ({ error: { message }, message: 'webhook worker error', timestamp })),
    ];
    for (const line of lines) {
      const processes = [{ name: 'dispatcher1', troubles: [], log: `${JSON.stringify(line)}\n` }];
      expect(repeats(twice({ processes })).breaches).toHaveLength(breaches);
    }
  });

  it.each([
    ['explains it if the dispatcher had given up before the answer', 2000, null, 0],
    ['does not explain it if the dispatcher was still waiting', 1999, null, 1],
    ['does not explain it if the dispatcher had the answer', 2000, 200, 1],
  ])('%s', (_, waitedMs, status, breaches) => {
    const sent = attempt({ at: new Date(T0 + 600).toISOString(), status, delivered: status !== null });
    const deliveries = new Map([[id(1), delivery(1, { attempts: [sent] })]]);
    for (const first of [{ at: T0 + 600 + waitedMs }, { at: T0 + 620, answeredAt: T0 + 600 + waitedMs }]) {
      const calls = [call(1, first), call(1, { at: T0 + 5000 })];
      expect(repeats(evidence({ calls, deliveries })).breaches).toHaveLength(breaches);
    }
  });

  it('uses the time at which a slow answer was given', () => {
    const slow = { answer: { status: 200, delayMs: 900 } };
    const at = T0 + 620 + 900 + CHAOS.recordSlackMs;
    expect(repeats(twice({ outages: [dead('dispatcher1', at)] }, slow)).breaches).toHaveLength(0);
    expect(repeats(twice({ outages: [dead('dispatcher1', at + 1)] }, slow)).breaches).toHaveLength(1);
  });

  it.each<[string, Call['answer'], number, number]>([
    ['error', error, 219, 1],
    ['error', error, 220, 0],
    ['reset', 'reset', 219, 1],
    ['busy receiver', { status: 503, retryAfterSeconds: 1 }, 979, 1],
    ['busy receiver', { status: 503, retryAfterSeconds: 1 }, 980, 0],
    ['receiver that hangs', 'hang', 1900, 1],
    ['receiver that hangs', 'hang', 2000, 0],
  ])('checks the delay before the next call after: %s', (_, answer, waited, breaches) => {
    const calls = [call(1, { answer }), call(1, { at: T0 + 620 + waited })];
    expect(repeats(evidence({ calls })).breaches).toHaveLength(breaches);
    expect(words(repeats(evidence({ calls, outages: [dead('dispatcher2', T0 + 620)] })))).toEqual([]);
  });
});

describe('deliveryLogs', () => {
  const log = (more: Parameters<typeof delivery>[1], others: Partial<Evidence> = {}) =>
    deliveryLogs(evidence({ deliveries: new Map([[id(1), delivery(1, more)]]), ...others }));
  const failed = attempt({ status: 500, delivered: false });
  const gone = attempt({ status: 410, delivered: false });

  it('reports a webhook that cannot be read', () => {
    expect(words(deliveryLogs(evidence({ deliveries: new Map() })))).toEqual([
      `the webhook of job ${id(1)} cannot be read`,
    ]);
  });

  it.each<[string, Parameters<typeof delivery>[1]]>([
    ['with another id', { id: `msg_${id(2)}` }],
    ['that is still pending', { state: 'pending' }],
    ['that failed although a call was accepted', { state: 'failed', attempts: [attempt()] }],
    ['that announces another attempt', { next_attempt_at: new Date(T0).toISOString() }],
    ['without the attempt', { attempts: [] }],
    ['with an additional attempt', { attempts: [failed, attempt()] }],
    ['with another status', { attempts: [attempt({ status: 202 })] }],
    ['with an attempt after the call', { attempts: [attempt({ at: new Date(T0 + 621).toISOString() })] }],
    ['with an attempt in another second', { attempts: [attempt({ at: new Date(T0 - 1).toISOString() })] }],
    ['with the call twice', { attempts: [attempt(), attempt()] }],
  ])('reports a log %s', (_, wrong) => {
    expect(log(wrong).breaches.length).toBeGreaterThan(0);
  });

  it('reports a log without an earlier call, unless a dispatcher or Redis died before recording it', () => {
    const calls = [call(1, { answer: error }), call(1, { at: T0 + 920 })];
    expect(words(log({}, { calls }))).toEqual([
      `the log of job ${id(1)}'s webhook lacks the call at ${T0 + 620} that was answered 500`,
    ]);
    const finding = log({}, { calls, outages: [dead('dispatcher1', T0 + 620)] });
    expect(words(finding)).toEqual([]);
    expect(finding.rows).toContainEqual(['calls that no log has, because a process died', 'dispatcher killed 1']);
  });

  it('expects the state failed after a 410', () => {
    const calls = [call(1, { answer: GONE })];
    expect(words(log({ state: 'failed', attempts: [gone] }, { calls }))).toEqual([]);
    expect(log({ state: 'delivered', attempts: [gone] }, { calls }).breaches.length).toBeGreaterThan(0);
  });

  it('expects the state skipped if the order does not want the end notified', () => {
    const picky = { orders: [order(1, { callback: { ...callback, events: ['job.failed'] } })], calls: [] };
    expect(words(log({ state: 'skipped', attempts: [] }, picky))).toEqual([]);
    expect(log({ state: 'failed', attempts: [] }, picky).breaches).toHaveLength(1);
  });

  it('pairs attempts and calls without an answer', () => {
    const calls = [call(1, { answer: 'hang' }), call(1, { at: T0 + 990 })];
    const later = attempt({ at: new Date(T0 + 980).toISOString() });
    const silent = attempt({ status: null, delivered: false });
    expect(words(log({ attempts: [silent, later] }, { calls }))).toEqual([]);
    expect(log({ attempts: [later] }, { calls }).breaches).toHaveLength(1);
  });

  it('pairs an attempt that timed out with a call that was answered later', () => {
    const calls = [call(1, { at: T0 + 2980 }), call(1, { at: T0 + 5000, timestampSeconds: T0 / 1000 + 5 })];
    const tries = [attempt({ status: null, delivered: false }), attempt({ at: new Date(T0 + 5000).toISOString() })];
    expect(words(log({ attempts: tries }, { calls }))).toEqual([]);
    const early = [call(1, { at: T0 + 1500 }), ...calls.slice(1)];
    expect(log({ attempts: tries }, { calls: early }).breaches).not.toHaveLength(0);
    const late = [call(1, { at: T0 + 1500, answeredAt: T0 + 2980 }), ...calls.slice(1)];
    expect(words(log({ attempts: tries }, { calls: late }))).toEqual([]);
  });
});

describe('orders', () => {
  const keyed = [order(1, { repeats: { key: 'order-0', posts: 2 } })];
  const again = post(1, { replayed: true });

  it('accepts one job for an order with an Idempotency-Key, however often it was posted', () => {
    const silent = post(1, { status: undefined, jobId: undefined });
    const finding = orders(evidence({ orders: keyed, posts: [silent, post(1), again, again] }));
    expect(words(finding)).toEqual([]);
    expect(finding.rows).toContainEqual(['posts of these', 4]);
    expect(finding.rows).toContainEqual(['… answered as a repeat', 2]);
    expect(finding.rows).toContainEqual(['jobs created by these', 1]);
  });

  it('reports two jobs, or none, for an order with an Idempotency-Key', () => {
    const two = [history(1), history(2, { tag: '1' })];
    expect(words(orders(evidence({ orders: keyed, histories: two })))).toEqual([
      'order 1 created 2 jobs with the Idempotency-Key order-0',
    ]);
    expect(orders(evidence({ orders: keyed, histories: [] })).breaches).toHaveLength(1);
  });

  it('reports answers with two ids, and two answers that are not marked as repeats', () => {
    const posts = [post(1), post(1, { jobId: id(2), replayed: true })];
    expect(words(orders(evidence({ orders: keyed, posts })))).toEqual([
      `order 1 was answered with ${id(1)} and ${id(2)}`,
    ]);
    expect(words(orders(evidence({ orders: keyed, posts: [post(1), post(1)] })))).toEqual([
      'order 1 was answered 2 times as if it were new',
    ]);
  });

  it('accepts a job for each post without an Idempotency-Key, and reports more, none, or a repeat', () => {
    const silent = post(1, { status: undefined, jobId: undefined });
    const two = [history(1), history(2, { tag: '1' })];
    expect(words(orders(evidence({ posts: [silent, post(1)], histories: two })))).toEqual([]);
    expect(words(orders(evidence({ histories: two })))).toEqual(['order 1 created 2 jobs with 1 posts']);
    expect(words(orders(evidence({ histories: [] })))).toEqual(['order 1 created 0 jobs with 1 posts']);
    expect(words(orders(evidence({ posts: [again] })))).toEqual([
      'order 1 was answered as a repeat without an Idempotency-Key',
    ]);
  });
});
