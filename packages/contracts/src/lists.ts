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

export type JobList = Static<typeof jobListSchema>;
export type BatchAnswer = Static<typeof batchAnswerSchema>;
