import { joinSignals } from '@comfy-fleet/contracts';
import type { HeldJob } from './held-job.js';
import { Canceled } from './signals.js';

/** Given as the reason, since making a DOMException costs more than the rest of the abort. */
const OVER = new Error('the work is over');
/** Work shorter than this is over before anybody could ask what goes on. */
const LATE_MS = 100;
/** How long to wait for news before waiting again. */
const QUIET_MS = 60_000;

/**
 * Does the work while it listens for what is wanted of the job; the work's signal aborts with Canceled when the caller
 * cancels, and with what else the ledger says against it. `late` is done beside it if it takes longer than LATE_MS.
 */
export async function unlessCanceled<T>(
  job: HeldJob,
  work: (signal: AbortSignal) => Promise<T>,
  late: () => Promise<void>,
): Promise<T> {
  const stop = joinSignals([job.signal]);
  const done = new AbortController();
  const watch = async () => {
    let saidLate = false;
    for (;;) {
      if (job.cancelRequested) throw new Canceled();
      const news = await job.news.next(saidLate ? QUIET_MS : LATE_MS, done.signal);
      if (news === undefined && !saidLate) {
        saidLate = true;
        await late();
      }
      if (news?.type === 'attention') await job.askLedger();
    }
  };
  const watching = watch().catch((error: unknown) => stop.abort(error));
  try {
    return await work(stop.signal);
  } finally {
    done.abort(OVER);
    // What is left of the work when a part of it failed.
    stop.abort(OVER);
    await watching;
  }
}
