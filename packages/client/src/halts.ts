import type { AdminStatus } from './api-types.js';
import type { Abortable, Transport } from './transport.js';

/** One pool alone; without it, the whole fleet. */
export interface PauseOptions extends Abortable {
  readonly pool?: string;
}

/** An operator's brakes; for keys with the scope admin. Each change may be repeated, and answers everything that is halted. */
export interface Halts {
  /** What is paused and what is drained. */
  get(options?: Abortable): Promise<AdminStatus>;
  /** Has workers claim nothing. */
  pause(options?: PauseOptions): Promise<AdminStatus>;
  /** Ends a pause. */
  resume(options?: PauseOptions): Promise<AdminStatus>;
  /** Has an instance, by its name `<worker>/<n>`, be given no more prompts. */
  drain(instance: string, options?: Abortable): Promise<AdminStatus>;
  /** Ends a drain. */
  resumeInstance(instance: string, options?: Abortable): Promise<AdminStatus>;
}

export function createHalts(transport: Transport): Halts {
  const change = (path: string, { pool, ...options }: PauseOptions = {}) =>
    transport.json<AdminStatus>(path, { ...options, method: 'POST', query: { pool } });
  const instancePath = (name: string) => `/admin/instances/${name.split('/').map(encodeURIComponent).join('/')}`;
  return {
    get: (options) => transport.json<AdminStatus>('/admin', options),
    pause: (options) => change('/admin/pause', options),
    resume: (options) => change('/admin/resume', options),
    drain: (name, options) => change(`${instancePath(name)}/drain`, options),
    resumeInstance: (name, options) => change(`${instancePath(name)}/resume`, options),
  };
}
