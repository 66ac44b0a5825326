import { createHash } from 'node:crypto';
import { FleetError } from '@comfy-fleet/contracts';
import { type Accepted, isLargeText, type NewJob, type NewOrder } from '@comfy-fleet/jobs';
import { inSpan, noteFacts } from '@comfy-fleet/telemetry';
import { showJson } from '@comfy-fleet/workflows';
import type { Deps } from '../deps.js';
import { chargeUpload } from '../files/charge-upload.js';
import { type Caller, knownCaller } from '../server/caller.js';
import { secondsToMidnight } from '../server/day.js';
import type { ApiRequest } from '../server/messages.js';

const MAX_KEY_CHARS = 255;

/** Of the span in which an order is accepted: from here its jobs go on in the trace. */
const ACCEPTING = {
  kind: 'producer',
  attributes: { 'messaging.system': 'bullmq', 'messaging.operation.type': 'send' },
  // What is refused is refused with good reason.
  isFault: (error: unknown) => !(error instanceof FleetError) || error.status >= 500,
} as const;

/**
 * Makes jobs in the caller's name, all or none. `wish` is what was asked for: when it was asked for before under the same
 * Idempotency-Key, what was made then is answered, and `prepare` is not asked. Throws what Ledger.orders.create throws,
 * storage_full, overloaded, gpu_limit_reached, upload_limit_reached, body_too_large for an origin; when the caller left before anything was made, an error that nobody gets.
 */
export async function placeOrder(
  deps: Deps,
  request: ApiRequest,
  wish: unknown,
  prepare: () => Promise<readonly NewJob[]>,
): Promise<Accepted> {
  const { ledger, requireSpace } = deps;
  const caller = knownCaller(request.caller);
  const idempotency = idempotencyOf(request, wish);
  const known = idempotency && (await ledger.orders.replay(caller.id, idempotency));
  if (known !== undefined) return known;
  await requireSpace();
  await requireGpuTime(deps, caller);
  return inSpan('job accept', ACCEPTING, async () => {
    const jobs = await prepare();
    refuseLargeOrigins(jobs, deps.config.workflows.maxOriginBytes);
    if (request.signal.aborted) throw new Error('the caller left before anything was made');
    await chargeUpload(deps, caller, largeBytes(jobs));
    noteFacts(factsOf(jobs));
    return ledger.orders.create({
      jobs,
      caller: caller.id,
      weight: caller.weight,
      mostWaiting: caller.limits?.jobsWaiting,
      reserved: caller.limits?.jobsReserved,
      mostTaken: caller.limits?.jobsRunning,
      idempotency,
    });
  });
}

/** Throws gpu_limit_reached when the key has had its GPU time of today, or will have it with the jobs that it has waiting. */
async function requireGpuTime(
  { ledger: { accounts } }: Pick<Deps, 'ledger'>,
  { id, gpuSecondsPerDay: most }: Caller,
): Promise<void> {
  if (most === undefined) return;
  const { spentMs, expectedMs } = await accounts.gpuSpent(id);
  if (spentMs + expectedMs < most * 1000) return;
  const detail = `This API key may have ${most} seconds of GPU time a day (UTC), and has them with the jobs that wait.`;
  throw new FleetError('gpu_limit_reached', detail, { retryAfterSeconds: secondsToMidnight() });
}

/** What the order stores as files, each graph once. */
function largeBytes(jobs: readonly NewJob[]): number {
  const sources = new Map(jobs.map(({ source }) => [source?.version, source?.text ?? '']));
  const texts = [...sources.values(), ...jobs.map(({ origin = '' }) => origin)];
  return texts.reduce((sum, text) => sum + (isLargeText(text) ? Buffer.byteLength(text) : 0), 0);
}

/** Throws body_too_large. */
function refuseLargeOrigins(jobs: readonly NewJob[], most: number): void {
  for (const { origin = '' } of jobs) {
    const bytes = Buffer.byteLength(origin);
    if (bytes <= most) continue;
    const detail = `What is to be kept beside the graph (extra_data and the like) has ${bytes} bytes; ${most} are the most.`;
    throw new FleetError('body_too_large', detail);
  }
}

/** What that span says of the order. */
function factsOf(jobs: readonly NewJob[]) {
  const [job] = jobs;
  if (job === undefined || jobs.length > 1) return { 'messaging.batch.message_count': jobs.length };
  const { id, kind, pool, request } = job;
  return {
    'comfy_fleet.job.id': id,
    'comfy_fleet.job.kind': kind,
    'comfy_fleet.lod': request.lod,
    'messaging.destination.name': pool,
  };
}

/**
 * The Idempotency-Key of a request with the fingerprint of what it asks for: the path, and `wish`, the validated body
 * with pictures by their digests. Undefined without the header. Throws validation_failed for one that is no key.
 */
function idempotencyOf({ header, path }: ApiRequest, wish: unknown): NewOrder['idempotency'] {
  const key = idempotencyDigest(header('idempotency-key'));
  return key === undefined ? undefined : { digest: key, fingerprint: digest(showJson([path, ordered(wish)])) };
}

/**
 * The digest of an Idempotency-Key, of a family apart if one is named. Undefined without the header. Throws
 * validation_failed for one that is no key.
 */
export function idempotencyDigest(key: string | undefined, family = ''): string | undefined {
  if (key === undefined) return undefined;
  if (/^[\x21-\x7e]+$/.test(key) && key.length <= MAX_KEY_CHARS)
    return digest(family === '' ? key : `${family} ${key}`);
  const detail = `The Idempotency-Key must have 1 to ${MAX_KEY_CHARS} visible ASCII characters, without spaces.`;
  throw new FleetError('validation_failed', detail);
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/** The same value with the fields of every object in one order: a client may write them in another one next time. */
function ordered(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(ordered);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([name, part]) => [name, ordered(part)]));
}
