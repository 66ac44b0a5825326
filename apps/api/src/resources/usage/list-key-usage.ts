import { type KeyUsageList, keyUsageQuerySchema } from '@comfy-fleet/contracts';
import type { DayUsage } from '@comfy-fleet/jobs';
import pLimit from 'p-limit';
import type { Deps } from '../../deps.js';
import { lastDays } from '../../server/key-limits.js';
import type { Handler } from '../../server/messages.js';
import { createQueryReader, pageOf } from '../../server/validator.js';

const DEFAULT_LIMIT = 100;
const DEFAULT_DAYS = 30;
/** A page is up to 9,000 small hashes: Redis has others' requests in between. */
const KEYS_AT_A_TIME = 4;

const COUNTERS = ['jobs', 'succeeded', 'failed', 'canceled', 'expired', 'pictures'] as const;

/** What every key used that ever made a job. */
export function listKeyUsage({ ledger: { accounts } }: Deps): Handler {
  const read = createQueryReader(keyUsageQuerySchema);
  const turns = pLimit(KEYS_AT_A_TIME);
  return async ({ query }) => {
    const { days = DEFAULT_DAYS, limit = DEFAULT_LIMIT, cursor } = read(query);
    const { page, ...more } = pageOf(await accounts.keys(), (key) => key, { limit, cursor });
    const used = await Promise.all(page.map((key) => turns(() => accounts.usage(key, days))));
    const body: KeyUsageList = {
      days: lastDays(days),
      data: page.map((key, n) => summed(key, used[n] ?? [])),
      ...more,
    };
    return { status: 200, body };
  };
}

function summed(key: string, days: readonly DayUsage[]): KeyUsageList['data'][number] {
  const sum = (of: (day: DayUsage) => number) => days.reduce((all, day) => all + of(day), 0);
  const counts = Object.fromEntries(COUNTERS.map((name) => [name, sum((day) => day[name])]));
  return {
    key,
    ...(counts as Record<(typeof COUNTERS)[number], number>),
    gpu_seconds: sum(({ gpuMs }) => gpuMs) / 1000,
    gpu_seconds_by_day: days.map(({ gpuMs }) => gpuMs / 1000),
  };
}
