import { InstanceUnreachable, OutputMissing } from '@comfy-fleet/comfyui';
import { FleetError, joinSignals } from '@comfy-fleet/contracts';
import type { Slot } from '../slots/slots.js';
import { backoffMs, pause } from '../waiting.js';
import type { HeldJob } from './held-job.js';
import { Canceled } from './signals.js';
import type { Tools } from './tools.js';

const RETRY_MS = 250;

/**
 * Repeats a call while the instance is unreachable or gives invalid answers: a job that ComfyUI may be executing is not
 * given up for one lost packet. Throws prompt_lost after the job's patience, any other error at once.
 */
export async function retryUntilReachable<T>(
  job: HeldJob,
  call: () => Promise<T>,
  {
    signal = job.signal,
    onOutage,
  }: { signal?: AbortSignal; onOutage?: ((error: FleetError) => Promise<void>) | undefined } = {},
): Promise<T> {
  const end = performance.now() + job.patienceMs;
  let silence: { readonly stage: Slot['stage'] } | undefined;
  for (;;) {
    try {
      return await call();
    } catch (error) {
      if (!(error instanceof FleetError) || !isPassing(error)) throw error;
      // Read now, because jobs before and behind this one may leave the instance later.
      if (silence === undefined && error instanceof InstanceUnreachable) job.fellSilent(error);
      silence ??= { stage: job.slot.stage };
      if (error.code === 'instance_unreachable') await onOutage?.(error);
      if (performance.now() > end) {
        const { stage } = silence;
        if (stage !== undefined && error.code === 'instance_unreachable') job.lostToSilence(stage);
        const detail = `The instance ${job.instance.name} could not be asked for ${job.patienceMs / 1000} s while it had the prompt: ${error.detail}`;
        throw new FleetError('prompt_lost', detail, { cause: error });
      }
    }
    await pause(RETRY_MS, signal);
  }
}

/** Whether the error may be temporary; a missing file stays missing. */
function isPassing(error: FleetError): boolean {
  return !(error instanceof OutputMissing) && (error.code === 'instance_unreachable' || error.code === 'comfyui_error');
}

/** How often to check whether a failed store works again. */
const CLOSED_MS = 500;

/**
 * Repeats a step while the store fails. If the store is known to be down, it waits without limit: the rendering stays
 * in ComfyUI, and a job is not failed for a problem that operators can solve. If the store works and only this step
 * fails, or if it is full and the job itself `holdsSpace` there, it retries for `storeRetryMs`: otherwise jobs could wait
 * for ever for the space that they hold. `what` is for the log.
 */
export async function retryWhileStorageFails<T>(
  job: HeldJob,
  what: string,
  { storeRetryMs, store }: Pick<Tools, 'storeRetryMs' | 'store'>,
  signal: AbortSignal,
  step: () => Promise<T>,
  { holdsSpace = false } = {},
): Promise<T> {
  let end = performance.now() + storeRetryMs;
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await step();
    } catch (error) {
      if (!(error instanceof FleetError) || error.code !== 'storage_failed') throw error;
      await store.failed();
      while (holdsSpace && store.fault?.isFull && performance.now() < end) await pause(CLOSED_MS, signal);
      if ((store.fault === undefined || (holdsSpace && store.fault.isFull)) && performance.now() >= end) throw error;
      job.log.warn(`${what} failed; trying again`, { error });
    }
    if (store.fault !== undefined) {
      while (store.fault !== undefined) await pause(CLOSED_MS, signal);
      // The earlier failures were the store's fault, not this step's.
      end = performance.now() + storeRetryMs;
      attempt = 0;
    } else await pause(Math.min(backoffMs(attempt), Math.max(0, end - performance.now())), signal);
  }
}

/** A constant reason, because creating a DOMException costs more than the rest of the abort. */
const OVER = new Error('the work is over');
/** Shorter work ends before anybody could ask about it. */
const LATE_MS = 100;
/**
 * How often to check the ledger without news. This also charges the job's key for a slot where nothing executes yet, which
 * is not its fault while the store fails.
 */
const CHECK_MS = 1000;

/**
 * Runs `work` and aborts its signal with Canceled when the caller cancels, or with another verdict of the ledger.
 * `late` runs beside it if it takes longer than LATE_MS.
 */
export async function unlessCanceled<T>(
  job: HeldJob,
  { store }: Pick<Tools, 'store'>,
  work: (signal: AbortSignal) => Promise<T>,
  late?: () => Promise<void>,
): Promise<T> {
  const stop = joinSignals([job.signal]);
  const done = new AbortController();
  const watch = async () => {
    let step = late;
    for (;;) {
      if (job.cancelRequested) throw new Canceled();
      const news = await job.news.next(step === undefined ? CHECK_MS : LATE_MS, done.signal);
      if (news === undefined && step !== undefined) {
        await step();
        step = undefined;
      } else if (news?.type === 'attention' || (news === undefined && store.fault === undefined))
        await job.checkLedger();
    }
  };
  const watching = watch().catch((error: unknown) => stop.abort(error));
  try {
    return await work(stop.signal);
  } finally {
    done.abort(OVER);
    // Stops the rest of the work when a part of it failed.
    stop.abort(OVER);
    await watching;
  }
}
