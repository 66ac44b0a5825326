/** Another claim has the job: stop and change nothing. */
export class Superseded extends Error {
  override readonly name = 'Superseded';
}

/** The caller canceled the job, and ComfyUI does not have it (any more). */
export class Canceled extends Error {
  override readonly name = 'Canceled';
}

/** The job was taken out of ComfyUI's queue before it began. */
export class TakenBack extends Error {
  override readonly name = 'TakenBack';
}

/** The instance lacks something that the job needs and that its catalogue listed. */
export class Unable extends Error {
  override readonly name = 'Unable';
}

/** The worker stops: the job goes back as it is, for the next worker to adopt. */
export class Stopping extends Error {
  override readonly name = 'Stopping';
}

/** Whether the error stops a job without a failure. */
export function isSignal(error: unknown): boolean {
  return [Superseded, Canceled, TakenBack, Unable, Stopping].some((kind) => error instanceof kind);
}
