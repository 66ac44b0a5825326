import Type, { type Static } from 'typebox';
import { jobSchema } from './job.js';

/** A page of `GET /jobs`, newest first. */
export const jobListSchema = Type.Object({
  data: Type.Array(jobSchema),
  has_more: Type.Boolean(),
  next_cursor: Type.Union([Type.String(), Type.Null()]),
});

/** The answer of `POST /jobs/batch`, in the order of its jobs. */
export const batchAnswerSchema = Type.Object({
  data: Type.Array(Type.Object({ id: Type.String(), urls: Type.Object({ self: Type.String() }) })),
});

/** The answer of `GET /usage`: one entry a day (UTC), today first. */
export const usageSchema = Type.Object({
  data: Type.Array(
    Type.Object({
      day: Type.String({ format: 'date' }),
      /** Accepted that day; the other counts are of jobs that ended that day. */
      jobs: Type.Integer(),
      succeeded: Type.Integer(),
      failed: Type.Integer(),
      canceled: Type.Integer(),
      expired: Type.Integer(),
      pictures: Type.Integer(),
      /** For which GPUs worked on the jobs that ended. */
      gpu_seconds: Type.Number(),
    }),
  ),
});

export type JobList = Static<typeof jobListSchema>;
export type BatchAnswer = Static<typeof batchAnswerSchema>;
export type Usage = Static<typeof usageSchema>;
