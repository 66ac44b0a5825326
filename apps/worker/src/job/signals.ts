/** The job is another claim's now: drop everything and touch nothing. */
export class Superseded extends Error {
  override readonly name = 'Superseded';
}

/** The caller wants the job stopped, and ComfyUI has nothing of it (any more). */
export class Canceled extends Error {
  override readonly name = 'Canceled';
}

/** The job was taken out of ComfyUI's queue before it began. */
export class TakenBack extends Error {
  override readonly name = 'TakenBack';
}

/** The instance has not what the job needs, and did not say so before. */
export class Unable extends Error {
  override readonly name = 'Unable';
}

/** The worker stops: the job goes back as it is, for the next worker to adopt. */
export class Stopping extends Error {
  override readonly name = 'Stopping';
}

/** What is thrown to stop a job on its way without anything having failed. */
export function isSignal(error: unknown): boolean {
  return [Superseded, Canceled, TakenBack, Unable, Stopping].some((kind) => error instanceof kind);
}
