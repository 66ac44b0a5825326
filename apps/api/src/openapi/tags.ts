import type { TagObject } from 'openapi3-ts/oas31';

const TAGS = {
  ordering: 'Ask for pictures. Every answer is a job, at once; the job then runs by itself.',
  jobs: 'Follow, list, cancel and delete jobs.',
  pictures: 'The pictures that jobs made.',
  webhooks: 'Be notified when a job has ended.',
  account: 'What there is to choose from, and what was used.',
  operation: 'For whoever runs the service.',
} as const;

export type Tag = keyof typeof TAGS;

export function tagObjects(): TagObject[] {
  return Object.entries(TAGS).map(([name, description]) => ({ name, description }));
}
