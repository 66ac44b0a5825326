import { FleetError } from '@comfy-fleet/contracts';
import type { LiveWorkflows } from './live-workflows.js';

const UNREAD = 'The published workflows could not be read yet. Nothing was lost; try again shortly.';

/** Throws queue_unavailable while nobody can tell which workflows are served. */
export function requireRegistry({ isRegistryRead }: Pick<LiveWorkflows, 'isRegistryRead'>): void {
  if (!isRegistryRead) throw new FleetError('queue_unavailable', UNREAD, { retryAfterSeconds: 1 });
}
