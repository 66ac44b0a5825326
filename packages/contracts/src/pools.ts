/** A pool of alike instances: part of a Redis key and of the names that operators write, so short and plain. */
export const POOL_PATTERN = '^[a-z0-9][a-z0-9-]{0,31}$';

/** Where a job goes whose workflow and profile name no pool, and what a worker serves unless it is told otherwise. */
export const DEFAULT_POOL = 'default';
