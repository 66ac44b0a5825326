import {
  FleetError,
  type KeyUsageList,
  keyUsageListSchema,
  keyUsageQuerySchema,
  type Usage,
  usageQuerySchema,
  usageSchema,
} from '@comfy-fleet/contracts';
import type { DayUsage } from '@comfy-fleet/jobs';
import pLimit from 'p-limit';
import type { Deps } from '../../deps.js';
import { type Routes, withQuery } from '../../openapi/route.js';
import { lastDays, secondsToMidnight } from '../../server/key-limits.js';
import { pageOf } from '../../server/validator.js';

const DEFAULT_DAYS = 30;
const DEFAULT_KEYS = 100;
/** A page reads up to 9,000 small hashes. The limit lets Redis serve other requests in between. */
const KEYS_AT_A_TIME = 4;

const COUNTERS = ['jobs', 'succeeded', 'failed', 'canceled', 'expired', 'pictures'] as const;

export function usageRoutes({ keys, ledger: { accounts, storage }, heavyReads }: Deps): Routes {
  const turns = pLimit(KEYS_AT_A_TIME);
  const usageOf = async (key: string, days: number): Promise<Usage> => {
    const [used, now, stored] = await Promise.all([
      accounts.usage(key, days),
      accounts.quotaStatus(key),
      storage.use(key),
    ]);
    return {
      data: used.map(({ gpuMs, ...day }) => ({ ...day, gpu_seconds: gpuMs / 1000 })),
      now: {
        gpu_seconds: now.gpu.spentMs / 1000,
        gpu_seconds_expected: now.gpu.expectedMs / 1000,
        upload_bytes: now.uploadBytes,
        storage_bytes: stored.bytes,
        storage_share_bytes: stored.shareBytes,
        jobs_waiting: now.jobsWaiting,
        jobs_running: now.jobsRunning,
        resets_in_seconds: secondsToMidnight(),
      },
    };
  };
  return {
    'GET /usage': withQuery({
      access: 'jobs',
      id: 'getUsage',
      summary: 'See what the API key used, day by day',
      query: usageQuerySchema,
      answers: { 200: { description: 'Days (UTC), today first.', json: usageSchema } },
      handler: async ({ caller }, { days = DEFAULT_DAYS }) => ({
        status: 200,
        body: await heavyReads(caller.id, () => usageOf(caller.id, days)),
      }),
    }),
    'GET /usage/keys': withQuery({
      access: 'admin',
      id: 'listKeyUsage',
      summary: 'See what every API key used',
      description: 'Lists all keys that ever created a job, including revoked keys.',
      query: keyUsageQuerySchema,
      answers: { 200: { description: 'A page of keys.', json: keyUsageListSchema } },
      handler: async (_request, { days = DEFAULT_DAYS, limit = DEFAULT_KEYS, cursor }) => {
        const { page, ...more } = pageOf(await accounts.keys(), (key) => key, { limit, cursor });
        const data = await Promise.all(
          page.map((key) => turns(async () => ({ key, ...summed(await accounts.usage(key, days)) }))),
        );
        const body: KeyUsageList = { days: lastDays(days), data, ...more };
        return { status: 200, body };
      },
    }),
    'GET /usage/keys/:key': withQuery({
      access: 'admin',
      id: 'getKeyUsage',
      summary: 'See what one API key used, day by day',
      query: usageQuerySchema,
      answers: { 200: { description: 'Days (UTC), today first.', json: usageSchema } },
      errors: ['key_not_found'],
      handler: async ({ params: { key = '' } }, { days = DEFAULT_DAYS }) => {
        if (keys?.byId(key) === undefined && !(await accounts.isKnown(key))) {
          const detail = 'There is no API key with this id, and no key with this id ever created a job.';
          throw new FleetError('key_not_found', detail);
        }
        return { status: 200, body: await usageOf(key, days) };
      },
    }),
  };
}

function summed(days: readonly DayUsage[]): Omit<KeyUsageList['data'][number], 'key'> {
  const sum = (of: (day: DayUsage) => number) => days.reduce((all, day) => all + of(day), 0);
  const counts = Object.fromEntries(COUNTERS.map((name) => [name, sum((day) => day[name])]));
  return {
    ...(counts as Record<(typeof COUNTERS)[number], number>),
    gpu_seconds: sum(({ gpuMs }) => gpuMs) / 1000,
    gpu_seconds_by_day: days.map(({ gpuMs }) => gpuMs / 1000),
  };
}
