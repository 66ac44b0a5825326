import type { TagObject } from 'openapi3-ts/oas31';

const TAGS = {
  ordering: 'Create jobs. Each is answered at once and runs in the background.',
  jobs: 'Follow, list, cancel and delete jobs.',
  workflows: 'Workflows of your own: what they take and give, and how they are published.',
  pictures: 'The pictures that jobs made.',
  assets: 'Files that jobs start from.',
  webhooks: 'Be notified when a job has ended.',
  account: 'Levels of detail, and what API keys may do and have used.',
  operation: 'For operators of the service.',
} as const;

export type Tag = keyof typeof TAGS;

export function tagObjects(): TagObject[] {
  return Object.entries(TAGS).map(([name, description]) => ({ name, description }));
}
