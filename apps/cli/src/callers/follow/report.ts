import type { Job, JobHandle, JobPreview, JobProgress } from '@comfy-fleet/client';
import type { SavedFile } from '../save-outputs.js';

/** Tells somebody how jobs get on. */
export interface Report {
  job(job: Job): void;
  progress(progress: JobProgress): void;
  /** How its picture looks so far. */
  preview(preview: JobPreview): void;
  file(file: SavedFile): void;
  /** It has ended, and its files are where they are to be. */
  ended(job: JobHandle): Promise<void>;
  /** Nothing more is told. */
  close(): void;
}
