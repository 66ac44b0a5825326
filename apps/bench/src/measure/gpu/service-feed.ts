import { randomUUID } from 'node:crypto';
import { jobClient } from '@comfy-fleet/testing';
import { smallJob } from '../../lib/empty-image.js';
import { inParallel } from '../../lib/in-parallel.js';
import type { Feed } from './feed.js';

const AT_ONCE = 8;

/** Through `POST /generate`, as callers do. */
export function serviceFeed(url: string, gpus: number): Feed {
  const jobs = jobClient(url);
  let colour = 0;
  let submitted: string[] = [];
  const submit = async (text: string) => {
    colour += 1;
    return (await jobs.generate(smallJob(text, colour))).id;
  };
  return {
    occupy: async () => {
      const held = await Promise.all(Array.from({ length: gpus }, () => submit('holding')));
      return async () => {
        await Promise.all(held.map((id) => jobs.cancel(id)));
      };
    },
    submit: async (count) => {
      const tag = `job ${randomUUID()}`;
      submitted = [];
      await inParallel(count, AT_ONCE, async () => {
        submitted.push(await submit(tag));
      });
      return tag;
    },
    done: async () => {
      // One waits for the last; the others are asked for when nothing is measured any more.
      await jobs.ended(submitted.at(-1) as string);
      await inParallel(submitted.length, AT_ONCE, async (index) => {
        const { id, status, error } = await jobs.ended(submitted[index] as string);
        if (status !== 'succeeded') throw new Error(`job ${id} ended as ${status}: ${JSON.stringify(error)}`);
      });
    },
  };
}
