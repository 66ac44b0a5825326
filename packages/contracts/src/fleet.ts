/** What a worker says about one of its ComfyUI instances. */
export interface InstanceAnnouncement {
  /** `<worker>/<n>`, never a URL: a loopback URL is another server on every node. */
  readonly name: string;
  readonly state: 'up' | 'down' | 'unknown';
  /** ms since 1970 at which it came into that state. */
  readonly since: number;
  /** Why it is down, for people. */
  readonly reason: string | null;
  /** Memory of its largest device in bytes; 0 while unknown. */
  readonly vram: number;
  /** Ids of the jobs it holds, the executing one first. */
  readonly jobs: readonly string[];
}

/** What a worker process announces about itself, again and again; it vanishes when the worker stops doing so. */
export interface WorkerAnnouncement {
  readonly name: string;
  readonly startedAt: number;
  readonly seenAt: number;
  readonly pools: readonly string[];
  readonly draining: boolean;
  readonly instances: readonly InstanceAnnouncement[];
}
