import { setTimeout as delay } from 'node:timers/promises';
import type { Service } from '@comfy-fleet/testing';

/** Separates the output of a killed process from that of its successor. */
export const LIFE_ENDS = '\n--- killed ---\n';

/** A process that was started. */
interface Launched {
  readonly service: Pick<Service, 'pid' | 'output' | 'exited' | 'stop'>;
  /** Resolves when it is ready. Rejects if it ended or does not get ready in time. */
  ready(): Promise<void>;
}

/** A time in which a process was stopping, dead or not ready. Times are ms since 1970. */
export interface Outage {
  readonly process: string;
  /** The process id of the stopped process. */
  readonly pid: number;
  readonly killedAt: number;
  /** When its successor was ready; undefined until then. */
  upAt: number | undefined;
}

/** One process of a trial, with all its restarts. */
export class TrialProcess {
  readonly name: string;
  readonly outages: Outage[] = [];
  /** Unexpected ends and failed starts. */
  readonly troubles: string[] = [];
  readonly #launch: () => Promise<Launched>;
  readonly #logs: string[] = [];
  #launching: Promise<Launched> | undefined;
  #current: Launched['service'] | undefined;
  #killed = false;
  #busy = false;
  #over = false;

  constructor(name: string, launch: () => Promise<Launched>) {
    this.name = name;
    this.#launch = launch;
  }

  /** Whether it was killed and is not ready yet. */
  get isDown(): boolean {
    return this.#busy;
  }

  get pid(): number {
    return this.#current?.pid ?? 0;
  }

  /** The output of the process and all its predecessors. */
  get log(): string {
    return [...this.#logs, this.#current?.output ?? ''].join('');
  }

  async start(): Promise<void> {
    if (this.#over) return;
    this.#launching = this.#launch();
    const { service, ready } = await this.#launching;
    this.#killed = false;
    if (this.#current !== undefined) this.#logs.push(`${this.#current.output}${LIFE_ENDS}`);
    this.#current = service;
    void service.exited.then(({ code, signal }) => {
      if (!this.#killed) this.troubles.push(`pid ${service.pid} ended by itself with ${signal ?? code}`);
    });
    await ready();
  }

  async #kill(): Promise<void> {
    this.#killed = true;
    await this.#current?.stop('SIGKILL');
  }

  /** Kills the process and prevents restarts. */
  async close(): Promise<void> {
    this.#over = true;
    // A process that is being launched would not be killed.
    await this.#launching?.catch(() => undefined);
    await this.#kill();
  }

  /** Kills the process with SIGKILL and restarts it after `downMs`. Never rejects; errors are added to `troubles`. */
  async crash(downMs: number): Promise<void> {
    this.#busy = true;
    const outage: Outage = { process: this.name, pid: this.pid, killedAt: Date.now(), upAt: undefined };
    this.outages.push(outage);
    try {
      await this.#kill();
      await delay(downMs);
      await this.start();
      outage.upAt = Date.now();
    } catch (error) {
      this.troubles.push(`did not come back: ${String(error)}`);
    }
    this.#busy = false;
  }

  /**
   * Stops the process with SIGTERM, as in production, and restarts it when it has ended. An exit code other than 0 is
   * added to `troubles`. Rejects if the process does not get ready.
   */
  async renew(): Promise<void> {
    const [current, pid] = [this.#current, this.pid];
    const outage: Outage = { process: this.name, pid, killedAt: Date.now(), upAt: undefined };
    this.outages.push(outage);
    this.#killed = true;
    await current?.stop('SIGTERM');
    const exit = await current?.exited;
    if (exit?.code !== 0)
      this.troubles.push(`pid ${pid} was asked to end and ended with ${exit?.signal ?? exit?.code}`);
    await this.start();
    outage.upAt = Date.now();
  }
}
