import {
  EXECUTION_OUTCOMES,
  type FleetAlerts,
  type FleetHistory,
  type FleetTimeline,
  fleetAlertsSchema,
  fleetHistoryQuerySchema,
  fleetHistorySchema,
  fleetStatusSchema,
  fleetTimelineSchema,
  isoTime,
  MOST_HISTORY_MINUTES,
  type TimelineStretch,
} from '@comfy-fleet/contracts';
import type { Execution } from '@comfy-fleet/jobs';
import type { Deps } from '../../deps.js';
import { type ApiRoute, tagged, withQuery } from '../../openapi/route.js';
import { OPERATION } from './admin-routes.js';
import { fleet } from './fleet.js';

/** The runbook, docs/runbook.md, as a page. The anchor of an alert is its name in lower case. */
const RUNBOOK_PATH = '/docs/runbook.html';
/** The most stretches of one instance. On a small screen more than that would share pixels. */
const MOST_STRETCHES = 500;
/** The most stretches of all instances. The answer then has about 2 MB, or 3.5 MB if all names have their maximal length. */
const MOST_STRETCHES_IN_ALL = 10_000;

/** The routes that show operators the fleet, now and over the last hour. */
export function fleetRoutes(deps: Deps): ApiRoute[] {
  const { ledger, config } = deps;
  const runbook = `${config.http.publicUrl ?? ''}${RUNBOOK_PATH}`;
  return tagged(OPERATION, {
    'GET /fleet': {
      access: 'admin',
      id: 'getFleet',
      summary: 'Read the current pools, workers, instances and shares of GPU time',
      answers: { 200: { description: 'The fleet.', json: fleetStatusSchema } },
      handler: fleet(deps),
    },
    'GET /fleet/timeline': withQuery({
      access: 'admin',
      id: 'getFleetTimeline',
      summary: 'Read what each instance executed in the last hour',
      description:
        'At most 500 stretches for each instance and 10,000 in all: if there are more executions, some are joined.',
      query: fleetHistoryQuerySchema,
      answers: { 200: { description: 'The timeline.', json: fleetTimelineSchema } },
      handler: async (_request, { minutes = MOST_HISTORY_MINUTES }) => {
        const { from, till, size, pages } = await ledger.fleet.timeline(minutes);
        const most = Math.max(1, Math.min(MOST_STRETCHES, Math.floor(MOST_STRETCHES_IN_ALL / Math.max(1, size))));
        const instances: FleetTimeline['instances'] = [];
        for await (const page of pages) {
          for (const { instance, executions, isCut } of page) {
            instances.push({ instance, stretches: presentTimeline(executions, { from, till, most }), cut: isCut });
          }
        }
        const body: FleetTimeline = { from: isoTime(from), to: isoTime(till), instances };
        return { status: 200, body };
      },
    }),
    'GET /fleet/history': withQuery({
      access: 'admin',
      id: 'getFleetHistory',
      summary: 'Read backlog, throughput and GPU time of the last hour',
      description: 'A dispatcher records the numbers every 15 seconds.',
      query: fleetHistoryQuerySchema,
      answers: { 200: { description: 'The samples.', json: fleetHistorySchema } },
      handler: async (_request, { minutes = MOST_HISTORY_MINUTES }) => {
        const steps = await ledger.fleet.history(minutes);
        const samples = steps.map(({ at, waiting, running, succeeded, failed, canceled, instancesUp, gpuSeconds }) => ({
          at: isoTime(at),
          waiting,
          running,
          completed: succeeded,
          failed,
          canceled,
          instances_up: instancesUp,
          gpu_seconds: { ...gpuSeconds },
        }));
        const body: FleetHistory = { step_seconds: config.past.stepSeconds, samples };
        return { status: 200, body };
      },
    }),
    'GET /fleet/alerts': {
      access: 'admin',
      id: 'getFleetAlerts',
      summary: 'List the active alerts',
      description:
        'Most of the alert rules for Prometheus, with the same names and conditions. A dispatcher evaluates them every 15 ' +
        'seconds.',
      answers: { 200: { description: 'The alerts.', json: fleetAlertsSchema } },
      handler: async () => {
        const { judgedAt, active } = await ledger.fleet.alerts();
        const alerts = active.map(({ name, since, severity, summary, subject }) => ({
          name,
          since: isoTime(since),
          severity,
          summary,
          subject: { ...subject },
          runbook: `${runbook}#${name.toLowerCase()}`,
        }));
        const body: FleetAlerts = { judged_at: judgedAt === undefined ? null : isoTime(judgedAt), alerts };
        return { status: 200, body };
      },
    },
  });
}

/** One or more executions in a row. A field in which they differ is null. */
interface ShownSpan extends Omit<Execution, 'job' | 'lod' | 'key'> {
  readonly jobs: number;
  readonly job: string | null;
  readonly lod: Execution['lod'] | null;
  readonly key: string | null;
}

interface Span {
  /** ms since 1970. */
  readonly from: number;
  readonly till: number;
  /** The most stretches to show. */
  readonly most: number;
}

/**
 * Presents the executions of an instance as at most `most` stretches. If there are more executions, those that begin in the
 * same slice of time are joined.
 */
export function presentTimeline(executions: readonly Execution[], { from, till, most }: Span): TimelineStretch[] {
  const running = executions.filter(({ outcome }) => outcome === 'running');
  const past = executions.filter(({ outcome }) => outcome !== 'running').map((one) => ({ ...one, jobs: 1 }));
  const parts = Math.max(1, most - running.length);
  const partOf = ({ from: at }: ShownSpan) => Math.floor(((at - from) * parts) / (till - from));
  const shown: ShownSpan[] = [];
  for (const next of past) {
    const last = shown.at(-1);
    if (past.length > parts && last !== undefined && partOf(last) === partOf(next))
      shown.splice(-1, 1, join(last, next));
    else shown.push(next);
  }
  return [...shown, ...running.map((one) => ({ ...one, jobs: 1 }))].map(present);
}

function join(a: ShownSpan, b: ShownSpan): ShownSpan {
  const severity = (one: ShownSpan) => EXECUTION_OUTCOMES.indexOf(one.outcome);
  return {
    from: a.from,
    till: b.till,
    jobs: a.jobs + b.jobs,
    job: null,
    workflow: a.workflow === b.workflow ? a.workflow : null,
    lod: a.lod === b.lod ? a.lod : null,
    key: a.key === b.key ? a.key : null,
    outcome: severity(a) < severity(b) ? a.outcome : b.outcome,
    loadingMs: a.loadingMs + b.loadingMs,
  };
}

function present({ from, till, jobs, job, workflow, lod, key, outcome, loadingMs }: ShownSpan): TimelineStretch {
  return {
    from: isoTime(from),
    to: isoTime(till),
    jobs,
    job_id: job,
    workflow,
    lod,
    key,
    outcome,
    loading_seconds: Math.round(loadingMs / 100) / 10,
  };
}
