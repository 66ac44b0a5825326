import { jobClient } from '@comfy-fleet/testing';
import type { Feed } from './feed.js';
import { inParallel } from './in-parallel.js';
import { SMALL } from './workflow.js';

const AT_ONCE = 8;

/** Through `POST /generate`, as callers do. */
export function serviceFeed(url: string, gpus: number): Feed {
  const jobs = jobClient(url);
  let colour = 0;
  let submitted: string[] = [];
  const submit = async () => {
    colour += 1;
    const body = { prompt: `job ${colour}`, lod: 'sketch', width: SMALL, height: SMALL, seed: colour };
    return (await jobs.generate(body)).id;
  };
  return {
    occupy: async () => {
      const held = await Promise.all(Array.from({ length: gpus }, submit));
      return async () => {
        await Promise.all(held.map((id) => jobs.cancel(id)));
      };
    },
    submit: async (count) => {
      submitted = [];
      await inParallel(count, AT_ONCE, async () => {
        submitted.push(await submit());
      });
    },
    done: () =>
      inParallel(submitted.length, AT_ONCE, async (index) => {
        const { id, status, error } = await jobs.ended(submitted[index] as string);
        if (status !== 'succeeded') throw new Error(`job ${id} ended as ${status}: ${JSON.stringify(error)}`);
      }),
  };
}
