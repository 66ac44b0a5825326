import { setTimeout as delay } from 'node:timers/promises';
import type { Service } from '@comfy-fleet/testing';

/** Stands in a log between what two lives of a process printed. */
export const LIFE_ENDS = '\n--- killed ---\n';

/** A process that was started. */
interface Launched {
  readonly service: Pick<Service, 'pid' | 'output' | 'exited' | 'stop'>;
  /** Resolves when it can do its work; rejects when it ended or does not come up. */
  ready(): Promise<void>;
}

/** A time during which a process was stopping, dead or not ready yet. Times are ms since 1970. */
export interface Outage {
  readonly process: string;
  /** Of the process that was killed or asked to end. */
  readonly pid: number;
  readonly killedAt: number;
  /** When its successor was ready; undefined while it is not. */
  upAt: number | undefined;
}

/** One of the processes of a trial through all its lives. */
export class TrialProcess {
  readonly name: string;
  readonly outages: Outage[] = [];
  /** What it did that nobody asked of it: ends without being killed, starts that failed. */
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

  /** Between being killed and being ready again. */
  get isDown(): boolean {
    return this.#busy;
  }

  get pid(): number {
    return this.#current?.pid ?? 0;
  }

  /** What all its lives printed. */
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

  /** Kills it for good. */
  async close(): Promise<void> {
    this.#over = true;
    // One that is just being launched would stay.
    await this.#launching?.catch(() => undefined);
    await this.#kill();
  }

  /** SIGKILL, and a new start after `downMs`. Never rejects; what goes wrong is among the troubles. */
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
   * SIGTERM, as whoever runs it in production would send it, and a new start once it has ended by itself. Another end
   * than that of a process which has done all it had to do is among the troubles. Rejects when it does not come up.
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
