import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ComfyVersion, SimulatorSettings } from '../src/settings.js';
import { type Simulator, startSimulator } from '../src/simulator.js';
import { type Exchange, recording } from './recording.js';
import { Replay } from './replay.js';

export interface SuiteOptions {
  readonly settings?: Partial<SimulatorSettings>;
  /** Exchanges that the simulator deliberately does not reproduce, each with the reason. */
  readonly notReproduced?: Readonly<Record<string, string>>;
  /** What was there when the recording began. */
  readonly setup?: (replay: Replay, simulator: Simulator) => Promise<void> | void;
  /** What happened just before an exchange and was not recorded as one. */
  readonly before?: Readonly<
    Record<string, (replay: Replay, simulator: Simulator, exchange: Exchange) => Promise<void> | void>
  >;
  /** Exchanges before which the cache is made to hold what it held when they were recorded. */
  readonly primed?: readonly string[];
  /** Takes the place of sending the recorded body, where the recording did not keep it. */
  readonly send?: (replay: Replay, exchange: Exchange, simulator: Simulator) => Promise<void> | undefined;
  /** Looks at observations made beside the exchange. */
  readonly observe?: (replay: Replay, exchange: Exchange, simulator: Simulator) => Promise<void> | void;
}

/** Replays one recording, an exchange a test, in order against one simulator. */
export function replaySuite(version: ComfyVersion, file: string, options: SuiteOptions = {}): void {
  describe(`${version} ${file}`, () => {
    const exchanges = recording(version, file);
    let simulator: Simulator;
    let replay: Replay;
    beforeAll(async () => {
      simulator = await startSimulator({ version, stepMs: 4, deviceName: 'cpu', loras: [], ...options.settings });
      replay = new Replay(simulator, exchanges);
      await options.setup?.(replay, simulator);
    });
    afterAll(() => simulator.close());

    const skipped = options.notReproduced ?? {};
    it('names only exchanges of the recording as not reproduced, each with a reason', () => {
      const names = exchanges.map(({ name }) => name);
      for (const [name, reason] of Object.entries(skipped))
        expect([names.includes(name), reason.length > 10]).toEqual([true, true]);
    });
    for (const exchange of exchanges) {
      if (skipped[exchange.name] !== undefined) continue;
      it(`answers as recorded: ${exchange.name}`, async () => {
        if (options.primed?.includes(exchange.name)) await replay.primeAsRecorded(exchange);
        await options.before?.[exchange.name]?.(replay, simulator, exchange);
        const sent = options.send?.(replay, exchange, simulator);
        if (sent !== undefined) await sent;
        else if (exchange.request !== undefined && exchange.response !== undefined) await replay.check(exchange);
        await options.observe?.(replay, exchange, simulator);
      });
    }
  });
}
