import type { Json, JsonObject } from '../src/python.js';
import { type Simulator, type SimulatorOptions, startSimulator } from '../src/simulator.js';
import { askJson, Listener } from './client.js';

/** A simulator with one listening client. */
export class Running {
  readonly simulator: Simulator;
  listener: Listener;

  private constructor(simulator: Simulator, listener: Listener) {
    this.simulator = simulator;
    this.listener = listener;
  }

  static async start(options: SimulatorOptions = {}): Promise<Running> {
    const simulator = await startSimulator(options);
    return new Running(simulator, await new Listener(simulator.url, 'me').open());
  }

  async submit(prompt: JsonObject, more: JsonObject = {}): Promise<string> {
    const answer = await askJson(this.simulator.url, 'POST', '/prompt', { prompt, client_id: 'me', ...more });
    return String(answer.prompt_id);
  }

  /** Runs a prompt to its end and returns its history entry. */
  async run(prompt: JsonObject, more: JsonObject = {}): Promise<JsonObject> {
    const id = await this.submit(prompt, more);
    await this.listener.untilEndOf(id);
    return this.historyOf(id);
  }

  async historyOf(id: string): Promise<JsonObject> {
    return (await this.get(`/history/${id}`))[id] as JsonObject;
  }

  get(path: string): Promise<JsonObject> {
    return askJson(this.simulator.url, 'GET', path);
  }

  /** Replaces a lost socket by a new one. */
  async reconnect(): Promise<void> {
    this.listener = await new Listener(this.simulator.url, 'me').open();
  }

  async close(): Promise<void> {
    this.listener.socket.terminate();
    await this.simulator.close();
  }
}

/** The last message of a history entry: how it ended. */
export function ending(entry: JsonObject): readonly [string, JsonObject] {
  const messages = (entry.status as JsonObject).messages as [string, JsonObject][];
  return messages.at(-1) ?? ['', {}];
}

/** The names of all pictures in a history entry. */
export function filesOf(entry: JsonObject): string[] {
  const outputs = Object.values(entry.outputs as JsonObject) as JsonObject[];
  return outputs
    .flatMap((output) => (output.images as JsonObject[]).map(({ filename }: JsonObject): Json => filename ?? null))
    .map(String);
}
