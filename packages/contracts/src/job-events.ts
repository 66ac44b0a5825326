import Type from 'typebox';
import { jobSchema } from './job.js';

const { progress, outputs, images } = jobSchema.properties;

/** The data of each event of `GET /jobs/:id/events`, by the name of the event. */
export const jobEventSchemas = {
  status: jobSchema,
  progress,
  /** The unfinished picture. */
  preview: Type.Object({
    content_type: Type.String(),
    data: Type.String({ contentEncoding: 'base64', description: 'The picture in base64.' }),
  }),
  output: Type.Object({ outputs, images }),
};
