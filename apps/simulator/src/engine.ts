import { mkdirSync, rmSync } from 'node:fs';
import { setImmediate as immediate } from 'node:timers/promises';
import { Catalogue } from './catalogue/catalogue.js';
import { ResultCache } from './executor/cache.js';
import { AbandonedError, Pace, RunControl } from './executor/control.js';
import type { MiddleFault } from './executor/planted-faults.js';
import { PromptRun } from './executor/run.js';
import { Vram } from './executor/vram.js';
import { FaultBook } from './faults.js';
import { foldersIn } from './folders.js';
import { History } from './history.js';
import { appendJournal, type JournalEnd } from './journal.js';
import type { Folders } from './nodes/node.js';
import { clientIdOf, PromptQueue, type QueuedPrompt } from './prompt-queue.js';
import { features, patched, type SimulatorSettings } from './settings.js';
import { SocketHub } from './socket-hub.js';

export interface EngineOptions {
  readonly settings: SimulatorSettings;
  readonly dir: string;
  readonly port: () => number;
  /** Carries out a crash fault. By then the engine no longer sends anything. */
  readonly crash: () => void;
}

/** Everything behind the routes: queue, history, cache, sockets, and the loop that runs one prompt at a time. */
export class Engine {
  settings: SimulatorSettings;
  readonly folders: Folders;
  readonly faults = new FaultBook(() => this.startRunning());
  readonly history = new History();
  readonly queue: PromptQueue;
  readonly hub: SocketHub;
  readonly catalogue: Catalogue;
  /** The number of the next prompt for which the client chose none. */
  nextNumber = 0;
  private cache = this.newCache();
  private readonly pace = new Pace();
  private readonly vram = new Vram();
  private readonly options: EngineOptions;
  private tempMark = newTempMark();
  private current: { readonly prompt: QueuedPrompt; readonly run: PromptRun; readonly control: RunControl } | undefined;
  private loop: Promise<void> | undefined;
  private freeing = { models: false, memory: false };
  private closed = false;
  private silentRun = false;
  private runs = 0;
  private journalLines = 0;

  constructor(options: EngineOptions) {
    this.options = options;
    this.settings = options.settings;
    this.folders = foldersIn(options.dir);
    this.hub = new SocketHub({
      queueInfo: () => this.queueInfo(),
      features: () => features(this.settings.version),
      currentNode: (clientId) =>
        this.current !== undefined && clientIdOf(this.current.prompt) === clientId
          ? this.current.run.currentNode
          : undefined,
      isSilent: () => this.silentRun || this.faults.silencesAll,
    });
    this.queue = new PromptQueue(() => this.hub.broadcast('status', { status: this.queueInfo() }));
    for (const folder of [this.folders.input, this.folders.output]) mkdirSync(folder, { recursive: true });
    this.emptyTemp();
    this.catalogue = new Catalogue(() => this.settings, this.folders);
  }

  queueInfo() {
    return { exec_info: { queue_remaining: this.queue.remaining } };
  }

  change(patch: Partial<SimulatorSettings>): void {
    this.settings = patched(this.settings, patch);
  }

  submit(prompt: QueuedPrompt): void {
    this.queue.put(prompt);
    this.startRunning();
  }

  /** Interrupts the running prompt, if its id is `promptId` or none is given. Returns whether it did. */
  interrupt(promptId?: string): boolean {
    if (this.current === undefined || (promptId !== undefined && promptId !== this.current.prompt.id)) return false;
    this.current.control.interrupt();
    return true;
  }

  /** Frees memory once the running prompt has ended. */
  free(models: boolean, memory: boolean): void {
    this.freeing = { models: this.freeing.models || models, memory: this.freeing.memory || memory };
    if (this.loop === undefined) this.freeNow();
  }

  /** Loses everything in memory, like a crash and restart. The files in input and output stay. */
  forget(): void {
    this.current?.control.abandon();
    this.hub.terminate();
    this.queue.running = undefined;
    this.queue.clear();
    this.history.clear();
    // The abandoned run may still write to the old cache.
    this.cache = this.newCache();
    this.vram.clear();
    this.freeing = { models: false, memory: false };
    this.nextNumber = 0;
    this.tempMark = newTempMark();
    this.emptyTemp();
    // A restarted server has a new executor thread.
    this.faults.remove(({ kind }) => kind === 'dead_executor');
  }

  /** Stops at once, and resolves when nothing is running. */
  async close(): Promise<void> {
    this.closed = true;
    this.forget();
    await this.loop;
  }

  private startRunning(): void {
    if (!this.hasWork) return;
    this.loop ??= this.runQueue().finally(() => {
      this.loop = undefined;
      this.freeNow();
      this.startRunning();
    });
  }

  private get hasWork(): boolean {
    return this.queue.pending.length > 0 && !this.closed && !this.faults.stopsExecutor;
  }

  private async runQueue(): Promise<void> {
    // Lets the answer to POST /prompt go out before the prompt begins.
    await immediate();
    for (let prompt = this.next(); prompt !== undefined; prompt = this.next()) {
      await this.runPrompt(prompt);
      this.freeNow();
    }
  }

  private next(): QueuedPrompt | undefined {
    return this.hasWork ? this.queue.take() : undefined;
  }

  private async runPrompt(prompt: QueuedPrompt): Promise<void> {
    const control = new RunControl(prompt.id);
    const { catalogue, folders, faults, hub, cache, pace, vram, tempMark } = this;
    const settings = () => this.settings;
    const endMidway = (fault: MiddleFault): never => this.endMidway(fault, control, end);
    const run = new PromptRun(
      prompt,
      { settings, catalogue, folders, faults, hub, cache, pace, vram, tempMark, endMidway },
      control,
    );
    this.current = { prompt, run, control };
    this.silentRun = faults.take('silent_socket') !== undefined;
    const end = this.journalRun(prompt, run);
    try {
      const { outcome, ...entry } = await run.execute();
      end(outcome);
      // As in the recordings, a quick client can ask after the last message and before the history has the prompt.
      await control.wait(0, false);
      if (faults.take('lost_history') === undefined) this.history.add(prompt, entry);
      this.current = undefined;
      this.queue.done();
      const clientId = clientIdOf(prompt);
      if (clientId !== undefined) hub.send('executing', { node: null, prompt_id: prompt.id }, clientId);
    } catch (error) {
      if (!(error instanceof AbandonedError)) throw error;
      this.current = undefined;
      this.queue.running = undefined;
    } finally {
      this.silentRun = false;
    }
  }

  private endMidway(fault: MiddleFault, control: RunControl, end: (outcome: JournalEnd['outcome']) => void): never {
    control.abandon();
    this.hub.flush();
    if (fault === 'crash') this.options.crash();
    else end('lost');
    throw new AbandonedError();
  }

  private journalRun(prompt: QueuedPrompt, run: PromptRun): (outcome: JournalEnd['outcome']) => void {
    const path = this.settings.journal;
    const clientId = clientIdOf(prompt);
    const entry = {
      pid: process.pid,
      port: this.options.port(),
      run: ++this.runs,
      prompt_id: prompt.id,
      client_id: typeof clientId === 'string' ? clientId : null,
      number: typeof prompt.number === 'number' ? prompt.number : prompt.number.value,
      started_at: Date.now(),
    };
    if (path === null) return () => undefined;
    appendJournal(path, { event: 'start', sequence: ++this.journalLines, ...entry });
    return (outcome) => {
      const sequence = ++this.journalLines;
      appendJournal(path, {
        event: 'end',
        sequence,
        ...entry,
        ended_at: Date.now(),
        outcome,
        steps: run.steps,
        cached: run.cached,
        loaded: run.loaded,
        moved: run.moved,
      });
    };
  }

  private freeNow(): void {
    const { models, memory } = this.freeing;
    this.freeing = { models: false, memory: false };
    // Unloading models only empties the GPU: the loaders' cached results keep the weights in RAM.
    if (models) this.vram.clear();
    if (memory) this.cache.clear();
    if (models || memory) this.faults.remove((fault) => fault.kind === 'out_of_memory' && fault.clearedByFree === true);
  }

  private newCache(): ResultCache {
    return new ResultCache(() => this.settings);
  }

  private emptyTemp(): void {
    rmSync(this.folders.temp, { recursive: true, force: true });
    mkdirSync(this.folders.temp, { recursive: true });
  }
}

function newTempMark(): string {
  return Array.from({ length: 5 }, () => String.fromCharCode(97 + Math.floor(Math.random() * 26))).join('');
}
