import type { OutputKind } from '@comfy-fleet/contracts';
import type { Random } from '../../lib/random.js';
import type { PlannedJob } from './plan-orders.js';

/** Graphs of packages/testing/test/graphs that are published, and what each of them makes. */
export const WORKFLOWS: Readonly<Record<'wan22-t2v' | 'two-kinds', readonly OutputKind[]>> = {
  'wan22-t2v': ['video'],
  // A simulator draws no more frames of a video than these.
  'two-kinds': ['image', 'image', 'image', 'image', 'video'],
};

/** As small as the graphs allow: what is drawn costs this machine's time. */
const SMALL = { width: 64, height: 64, length: 5, steps: 2 };

/** Some of those that begin with no picture become jobs of published workflows, each in the place of another. */
export function withWorkflows(jobs: readonly PlannedJob[], random: Random): PlannedJob[] {
  return jobs.map((job) => {
    const name = random.weighted({ none: 7, 'wan22-t2v': 2, 'two-kinds': 2 });
    if (name === 'none' || job.picture !== undefined) return job;
    const { prompt, seed, lod, priority, metadata } = job.body;
    const body = { inputs: { ...SMALL, prompt, seed }, lod, priority, metadata };
    return { ...job, path: `/workflows/${name}`, body, outputs: WORKFLOWS[name] };
  });
}
