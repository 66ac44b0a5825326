import type { Job, JobOutput } from '@comfy-fleet/contracts';
import { describe, expect, it } from 'vitest';
import { CHAOS } from '../src/trials/chaos/settings.js';
import { cancels } from '../src/trials/checks/executions.js';
import { leftovers, outputs } from '../src/trials/checks/files.js';
import { accepted, failures } from '../src/trials/checks/jobs.js';
import { processes } from '../src/trials/checks/processes.js';
import { CHECKS } from '../src/trials/checks/promises.js';
import type { Download, Evidence } from '../src/trials/evidence/evidence.js';
import { LIFE_ENDS } from '../src/trials/stack/trial-process.js';
import { cancel, canceled, evidence, execution, history, id, job, order, post, T0 } from './chaos-evidence.js';

const words = (finding: { breaches: readonly { what: string }[] }) => finding.breaches.map(({ what }) => what);
const LATE = CHAOS.stepMs + CHAOS.cancelSlackMs + 1;

describe('the checks together', () => {
  it.each(Object.keys(CHECKS))('%s reports nothing for a run without problems', (name) => {
    expect(words(CHECKS[name]?.(evidence()) ?? { breaches: [{ what: 'no such check' }] })).toEqual([]);
    expect(words(CHECKS[name]?.(canceled()) ?? { breaches: [{ what: 'no such check' }] })).toEqual([]);
  });
});

describe('accepted', () => {
  it('reports a job that was answered 202 and has no record', () => {
    expect(words(accepted(evidence({ histories: [] })))).toEqual([`job ${id(1)} was answered 202 and has no record`]);
  });

  it('reports a job that has not ended, also if its 202 did not arrive', () => {
    const running = new Map([[id(1), job(1, { status: 'running' })]]);
    for (const posts of [[post(1)], [post(1, { jobId: undefined, status: undefined })]]) {
      expect(words(accepted(evidence({ posts, jobs: running })))).toEqual([`job ${id(1)} is still running`]);
    }
  });

  it('reports a job that cannot be read any more', () => {
    expect(words(accepted(evidence({ jobs: new Map() })))).toEqual([`job ${id(1)} cannot be read`]);
  });

  it.each([
    ['succeeded', 'canceled'],
    ['canceled', 'running'],
  ] as const)('reports a job that changed from %s to %s', (first, second) => {
    const statuses = [first, second].map((status, n) => ({ status, at: T0 + n }));
    expect(words(accepted(evidence({ histories: [history(1, { statuses })] })))).toEqual([
      `job ${id(1)} changed after its end: ${first} → ${second}`,
    ]);
  });

  it('counts jobs whose 202 did not arrive, and posts without an answer', () => {
    const { rows } = accepted(evidence({ posts: [post(1, { jobId: undefined, status: undefined })] }));
    expect(rows).toContainEqual(['jobs created by posts whose 202 did not arrive', 1]);
    expect(rows).toContainEqual(['not answered (outcome unknown)', 1]);
  });
});

describe('outputs', () => {
  const [file, image] = evidence().downloads as [Download, Download];
  it.each([
    ['is not there', { status: 404 }],
    ['gets no answer', { status: undefined }],
    ['has another content', { sha256: 'b'.repeat(64) }],
    ['has another ETag', { etag: '"x"' }],
    ['has another length', { bytes: 899 }],
    ['has another type', { contentType: 'text/html' }],
    ['cannot be decoded', { size: undefined }],
    ['has another size', { size: { width: 64, height: 64 } }],
  ])('reports a picture that %s, as an output and as an image', (_, wrong) => {
    expect(outputs(evidence({ downloads: [{ ...file, ...wrong }, image] })).breaches).toHaveLength(1);
    expect(outputs(evidence({ downloads: [file, { ...image, ...wrong }] })).breaches).toHaveLength(1);
  });

  it('reports a file that was not downloaded', () => {
    expect(words(outputs(evidence({ downloads: [image] })))).toEqual([`/files/${id(1)}_1.png was not downloaded`]);
  });

  it('reports a picture that does not have the requested size', () => {
    const { request } = job(1);
    const other = { request: { ...request, width: 128 } };
    expect(outputs(evidence({ jobs: new Map([[id(1), job(1, other)]]) })).breaches).toHaveLength(2);
    const inputs = { request: { ...request, inputs: { width: 128, height: 72 } } };
    expect(outputs(evidence({ jobs: new Map([[id(1), job(1, inputs)]]) })).breaches).toHaveLength(2);
  });

  it('reports a succeeded job with other outputs than ordered, and any outputs of other jobs', () => {
    const orders = [order(1, { outputs: ['video', 'image'] })];
    expect(words(outputs(evidence({ orders })))).toEqual([
      `job ${id(1)} (succeeded) has the outputs image 1, not image 1, video 1`,
    ]);
    const failed = new Map([[id(1), { ...job(1), status: 'failed' as const }]]);
    expect(words(outputs(evidence({ jobs: failed })))).toEqual([
      `job ${id(1)} (failed) has the outputs image 1, not none`,
    ]);
  });

  it('checks the type and completeness of a video, and that images are the pictures among the outputs', () => {
    const {
      outputs: [output],
      images,
    } = job(1);
    const {
      width: _,
      height: __,
      ...video
    } = { ...(output as JobOutput), kind: 'video' as const, content_type: 'video/mp4' };
    const told = (more: Partial<Job>) => ({
      orders: [order(1, { outputs: ['video'] })],
      jobs: new Map([[id(1), job(1, { outputs: [video], images: [], ...more })]]),
      downloads: [{ ...file, contentType: 'video/mp4', size: undefined }, image],
    });
    expect(words(outputs(evidence(told({}))))).toEqual([]);
    expect(words(outputs(evidence(told({ images }))))).toEqual([
      `job ${id(1)} has 1 images, which differ from the pictures among its outputs`,
    ]);
  });
});

describe('cancels', () => {
  const answeredAt = cancel(1).answeredAt;
  const toItsEnd = (endedAt: number) => [execution(1, { outcome: 'success' as const, endedAt })];
  const finishedLater = answeredAt + 10_000;

  it('reports a job that succeeded although its cancel was answered canceling', () => {
    expect(words(cancels(evidence({ cancels: [cancel(1)] })))).toContain(`job ${id(1)} was canceled and is succeeded`);
  });

  it('ignores a cancel after the end', () => {
    expect(words(cancels(evidence({ cancels: [cancel(1, { jobStatus: 'succeeded' })] })))).toEqual([]);
  });

  it('reports a complete rendering more than a step after the answer, but not before that', () => {
    const late = canceled({ executions: toItsEnd(answeredAt + LATE) }, finishedLater);
    expect(words(cancels(late))).toEqual([
      `job ${id(1)} was rendered to its end in worker1/1 ${LATE} ms after its cancel's answer`,
    ]);
    const inTime = canceled({ executions: toItsEnd(answeredAt + LATE - 1) }, finishedLater);
    expect(words(cancels(inTime))).toEqual([]);
  });

  it.each(['worker1', 'redis'])('does not report it if %s was down all the time, but counts it', (process) => {
    const outages = [{ process, pid: 1, killedAt: answeredAt - 50, upAt: answeredAt + LATE }];
    const finding = cancels(canceled({ executions: toItsEnd(answeredAt + LATE), outages }, finishedLater));
    expect(words(finding)).toEqual([]);
    expect(finding.rows).toContainEqual(['canceled jobs rendered to the end because a worker or Redis was down', 1]);
  });

  it.each([
    ['another worker was down', { process: 'worker2', pid: 1, killedAt: answeredAt - 50, upAt: answeredAt + 9000 }],
    ['the worker died only later', { process: 'worker1', pid: 1, killedAt: answeredAt + LATE, upAt: T0 + 9000 }],
    ['the worker had been up for a long time', { process: 'worker1', pid: 1, killedAt: T0 - 9000, upAt: T0 - 8000 }],
  ])('reports it if %s', (_, outage) => {
    const executions = toItsEnd(answeredAt + LATE + 100);
    expect(cancels(canceled({ executions, outages: [outage] }, finishedLater)).breaches).toHaveLength(1);
  });

  it('reports a GPU that works on a job after its canceled end, without exceptions', () => {
    const finishedAt = T0 + 200;
    const outages = [{ process: 'worker1', pid: 1, killedAt: T0, upAt: T0 + 9000 }];
    for (const outcome of ['success', 'interrupted', 'error'] as const) {
      const executions = [execution(1, { outcome, endedAt: finishedAt + LATE })];
      const found = words(cancels(canceled({ executions, outages }, finishedAt)));
      expect(found).toEqual([`job ${id(1)} was canceled, and worker1/1 worked on it for ${LATE} ms more (${outcome})`]);
    }
  });

  it('uses the death of the simulator as the end of an incomplete execution', () => {
    const executions = [execution(1, { outcome: undefined, endedAt: undefined })];
    const died = [{ process: 'worker1/1', pid: 100, killedAt: T0 + 210, upAt: T0 + 900 }];
    expect(words(cancels(canceled({ executions, outages: died })))).toEqual([]);
    expect(cancels(canceled({ executions })).breaches).toHaveLength(1);
  });
});

describe('failures', () => {
  const failed = (code: string, more: Partial<Evidence> = {}) =>
    evidence({
      jobs: new Map([[id(1), job(1, { status: 'failed', error: { code } as never })]]),
      histories: [history(1, { claims: Array(11).fill('worker1') })],
      ...more,
    });
  const fault = (kind: string) => ({ simulator: 'worker1/1', pid: 100, kind, plantedAt: T0, thereBy: T0 });
  const error = { outcome: 'error' as const };
  const cut = { outcome: undefined, endedAt: undefined };
  const deaths = [{ process: 'worker1/1', pid: 100, killedAt: T0 + 100, upAt: T0 + 900 }];
  const sooner = { endedAt: T0 + 540 };
  const tooLate = [{ process: 'worker1/1', pid: 100, killedAt: T0 + 601, upAt: T0 + 900 }];
  const hung = execution(1, { outcome: 'interrupted', endedAt: T0 + 50 + CHAOS.deadlineSeconds * 1000 });

  it.each<[string, Partial<Evidence>, Partial<Evidence>]>([
    [
      'node_execution_error',
      { executions: [execution(1, error)], faults: [fault('node_error')] },
      { executions: [execution(1, error)], faults: [fault('slow_view')] },
    ],
    [
      'out_of_memory',
      { executions: [execution(1, error), execution(1, error)], faults: [fault('out_of_memory')] },
      { executions: [execution(1, error)], faults: [fault('out_of_memory')] },
    ],
    ['timed_out', { executions: [hung] }, { executions: [execution(1, { outcome: 'interrupted' })] }],
    [
      'instance_killed',
      { executions: [execution(1, cut), execution(1, cut)], outages: deaths },
      { executions: [execution(1, cut), execution(1, { startedAt: T0 + 101 })], outages: deaths },
    ],
    [
      'prompt_lost',
      { executions: [execution(1), execution(1), execution(1, cut)], outages: deaths },
      { executions: [execution(1), execution(1), execution(1, { startedAt: T0 + 101 })], outages: deaths },
    ],
    [
      'prompt_lost',
      { executions: [execution(1), execution(1), execution(1, sooner)], faults: [fault('lost_history')] },
      { executions: [execution(1), execution(1, sooner)], faults: [fault('lost_history')] },
    ],
    [
      'prompt_lost',
      { executions: [execution(1), execution(1), execution(1)], outages: deaths },
      { executions: [execution(1), execution(1), execution(1)], outages: tooLate },
    ],
    ['worker_killed', {}, { histories: [history(1)] }],
  ])('accepts %s only if an injected fault explains it', (code, explained, unexplained) => {
    expect(words(failures(failed(code, explained)))).toEqual([]);
    expect(failures(failed(code, unexplained)).breaches).toHaveLength(1);
  });

  it.each(['internal_error', 'interrupted', 'storage_failed', 'no_output', 'comfyui_error', 'instance_unreachable'])(
    'reports every %s',
    (code) => expect(failures(failed(code)).breaches).toHaveLength(1),
  );

  it('reports every expired job', () => {
    const jobs = new Map([[id(1), job(1, { status: 'expired' })]]);
    expect(failures(evidence({ jobs })).breaches).toHaveLength(1);
  });
});

describe('leftovers', () => {
  it('reports a file that no job names, a temporary file, a prompt in a queue, and a callback in the outbox', () => {
    const frameFiles = [
      `${id(1)}_1.png`,
      `${id(2)}_1.png`,
      '.worker1.0123.tmp',
      'inputs/.api.0123.tmp',
      'inputs/a.png',
    ];
    const finding = leftovers(evidence({ frameFiles, leftInQueues: new Map([['worker1/1', 1]]), leftInOutbox: 2 }));
    expect(words(finding)).toEqual([
      `no job names the file ${id(2)}_1.png`,
      'the temporary file .worker1.0123.tmp was left',
      'the temporary file inputs/.api.0123.tmp was left',
      'worker1/1 still has 1 prompts',
      '2 callbacks were left in the outbox',
    ]);
    expect(finding.rows).toContainEqual(['input pictures that no job uses', 1]);
  });

  it('ignores the signature in the URL of a file', () => {
    const signed = job(1).outputs.map((output) => ({ ...output, url: `${output.url}?signature=x/y` }));
    const jobs = new Map([[id(1), job(1, { outputs: signed })]]);
    expect(words(leftovers(evidence({ jobs })))).toEqual([]);
  });
});

describe('processes', () => {
  const printed = (log: string) => words(processes(evidence({ processes: [{ name: 'api', troubles: [], log }] })));

  it('reports a process that ended by itself', () => {
    const one = { name: 'api', troubles: ['pid 7 ended by itself with 1'], log: '' };
    expect(words(processes(evidence({ processes: [one] })))).toEqual(['api pid 7 ended by itself with 1']);
  });

  it('reports a stack trace, but not a line that a kill cut off', () => {
    expect(printed('TypeError: x\n')).toEqual(['api printed: TypeError: x']);
    expect(printed(`{"level":"in${LIFE_ENDS}{"level":"info","message":"up"}\n`)).toEqual([]);
  });

  it.each(['internal_error: x', 'Unexpected token', 'job failed for a reason of our own'])(
    'finds an error line that says "%s"',
    (message) => expect(printed(`${JSON.stringify({ level: 'error', message })}\n`)).toHaveLength(1),
  );

  it('ignores names of functions in the stack of an error', () => {
    const error = {
      message: 'answered 500',
      cause: { stack: 'Error: answered 500\n    at unexpectedAnswer (main.js:1:1)' },
    };
    expect(printed(`${JSON.stringify({ level: 'error', message: 'failed', error })}\n`)).toEqual([]);
  });

  it('counts other error lines without reporting them', () => {
    const log = '{"level":"error","message":"claiming failed"}\n';
    const finding = processes(evidence({ processes: [{ name: 'api', troubles: [], log }] }));
    expect(finding.rows).toContainEqual(['error lines in the logs', '"claiming failed" 1']);
    expect(finding.breaches).toEqual([]);
  });

  it('reports an answer that the API must not give, but not 503 and missing answers', () => {
    const answers = [500, 422, 503, undefined].map((status) => post(1, { status }));
    expect(words(processes(evidence({ posts: answers })))).toEqual([
      'the api answered 500: {}',
      'the api answered 422: {}',
    ]);
  });
});
