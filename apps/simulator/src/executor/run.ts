import type { Catalogue } from '../catalogue/catalogue.js';
import type { FaultBook } from '../faults.js';
import type { RunStatus } from '../history.js';
import { type Expansion, type Folders, type NodeContext, NodeInputs, type NodeResult } from '../nodes/node.js';
import { bySignature, nodeRunners } from '../nodes/runners.js';
import type { NodeValue } from '../nodes/values.js';
import { clientIdOf, type Graph, type GraphNode, type QueuedPrompt } from '../prompt-queue.js';
import { isObject, type Json, type JsonObject, type Writable } from '../python.js';
import type { SimulatorSettings } from '../settings.js';
import type { SocketHub } from '../socket-hub.js';
import { fileHashes, type ResultCache, signatures } from './cache.js';
import { AbandonedError, InterruptedError, type Pace, type RunControl } from './control.js';
import { NodeError, nodeTraceback, shownInputs } from './node-error.js';
import { ExecutionOrder, nodesAbove } from './order.js';
import { applyFaults, isSampler, type MiddleFault } from './planted-faults.js';
import { nodeIdentity, Progress, realNode } from './progress.js';
import type { Vram } from './vram.js';

const GIB = 1024 ** 3;

export interface RunServices {
  readonly settings: () => SimulatorSettings;
  readonly catalogue: Catalogue;
  readonly folders: Folders;
  readonly faults: FaultBook;
  readonly hub: SocketHub;
  readonly cache: ResultCache;
  readonly pace: Pace;
  readonly vram: Vram;
  /** Part of the names of temporary pictures; new at each start of the server. */
  readonly tempMark: string;
  /** Ends the run as a planted fault demands. Always throws. */
  readonly endMidway: (fault: MiddleFault) => never;
}

export interface RunResult {
  readonly outcome: 'success' | 'error' | 'interrupted';
  readonly status: RunStatus;
  readonly outputs: JsonObject;
  readonly meta: JsonObject;
}

/** Executes one prompt, and sends the same frames in the same order as ComfyUI. */
export class PromptRun {
  /** The node being executed, for clients that reconnect; set only for prompts with a client id. */
  currentNode: string | undefined;
  /** Sampler steps done. */
  steps = 0;
  cached: readonly string[] = [];
  /** The model files read from the disk. */
  readonly loaded: string[] = [];
  /** The model files moved into the device's memory. */
  readonly moved: string[] = [];
  private readonly prompt: QueuedPrompt;
  private readonly services: RunServices;
  private readonly control: RunControl;
  private readonly clientId: Json | undefined;
  private readonly progress: Progress;
  private readonly messages: [string, JsonObject][] = [];
  private readonly executed = new Set<string>();
  /** The submitted graph and the nodes that expansions added. */
  private graph: Graph;
  private readonly parents = new Map<string, string>();
  /** The links that provide the outputs of expanded nodes, which run again after their expansion. */
  private readonly expanded = new Map<string, Expansion['results']>();
  private signatures: ReadonlyMap<string, string> = new Map();
  private fileHashes: ReadonlyMap<string, string> = new Map();
  /** The current node and its linked values, for error reports. */
  private node: { readonly id: string; readonly linked: ReadonlyMap<string, NodeValue> } | undefined;

  constructor(prompt: QueuedPrompt, services: RunServices, control: RunControl) {
    this.prompt = prompt;
    this.services = services;
    this.control = control;
    this.clientId = clientIdOf(prompt);
    this.graph = prompt.graph;
    this.progress = new Progress(prompt.id, this.parents);
  }

  /** Runs the prompt to its end. Throws only an AbandonedError. */
  async execute(): Promise<RunResult> {
    const { graph, outputs, id: promptId } = this.prompt;
    const began = performance.now();
    this.message('execution_start', { prompt_id: promptId });
    this.fileHashes = await fileHashes(graph, this.services.folders);
    this.signatures = signatures(graph, this.fileHashes);
    this.services.cache.begin(graph, this.signatures.values());
    this.cached = Object.keys(graph).filter((id) => this.resultOf(id) !== undefined);
    this.message('execution_cached', { nodes: [...this.cached], prompt_id: promptId });
    const isOutput = (id: string) => this.services.catalogue.isOutput(this.graph[id]?.class_type ?? '');
    const isCached = (id: string) => this.resultOf(id) !== undefined;
    const order = new ExecutionOrder(graph, outputs, isCached, isOutput);
    try {
      for (let id = order.next(); id !== undefined; id = order.next()) {
        const expansion = await this.runNode(id, this.graph[id] as GraphNode);
        if (expansion === undefined) {
          order.done(id);
          continue;
        }
        this.expand(id, expansion);
        const sources = expansion.results.map(([source]) => String(source));
        order.expanded(this.graph, { id, outputs: Object.keys(expansion.nodes).filter(isOutput), sources }, isCached);
      }
      await this.services.pace.settle(began, this.services.settings().promptMs, this.control);
      this.control.check();
      this.message('execution_success', { prompt_id: promptId });
      return this.result('success');
    } catch (error) {
      if (error instanceof InterruptedError) return this.interrupted();
      if (error instanceof AbandonedError) throw error;
      // Any other error in a node fails only this prompt.
      return this.failed(error instanceof NodeError ? error : new NodeError('RuntimeError', String(error)));
    } finally {
      this.currentNode = undefined;
    }
  }

  private expand(id: string, { nodes, results }: Expansion): void {
    this.graph = { ...this.graph, ...nodes };
    for (const child of Object.keys(nodes)) this.parents.set(child, id);
    this.signatures = signatures(this.graph, this.fileHashes);
    this.expanded.set(id, results);
  }

  /** Returns the expansion of the node, if there is one. The node then has to run again after it. */
  private async runNode(id: string, node: GraphNode): Promise<Expansion | undefined> {
    const linked = new Map<string, NodeValue>();
    this.node = { id, linked };
    const known = this.resultOf(id);
    if (known !== undefined) {
      this.sendExecuted(id, known.ui ?? null);
      this.progress.finish(id);
      this.sendProgressState();
      return undefined;
    }
    const results = this.expanded.get(id);
    if (results !== undefined) {
      const outputs = results.flatMap((link) => this.valueOf(link) ?? []);
      return this.finish(id, { outputs });
    }
    this.progress.start(id);
    this.sendProgressState();
    if (this.clientId !== undefined) {
      this.currentNode = realNode(id, this.parents);
      this.send('executing', { node: id, display_node: this.currentNode, prompt_id: this.prompt.id });
    }
    this.control.check();
    const widgets = this.resolveInputs(node, linked);
    const middle = await applyFaults(
      this.faultTarget(id, node),
      this.services.faults,
      this.control,
      this.services.settings().vramBytes,
    );
    if (middle !== undefined && !isSampler(node.class_type)) this.services.endMidway(middle);
    for (const [input, file] of widgets) {
      const folder = this.services.catalogue.folderWithout(node.class_type, input, file);
      if (folder === undefined) continue;
      throw new NodeError('FileNotFoundError', `Model in folder '${folder}' with filename '${file}' not found.`);
    }
    const run = nodeRunners[node.class_type] ?? bySignature(node.class_type, this.services.catalogue);
    const result = await run(new NodeInputs(widgets, linked), this.context(id, node, middle));
    return result.expansion ?? this.finish(id, result);
  }

  private finish(id: string, { outputs, ui }: NodeResult): undefined {
    this.services.cache.set(this.signatures.get(id) ?? '', { outputs, ui, nodeId: id });
    if (ui !== undefined) this.sendExecuted(id, ui);
    this.progress.finish(id);
    this.sendProgressState();
    this.executed.add(id);
  }

  /** The value that a link delivers. */
  private valueOf([source, slot]: readonly Json[]): NodeValue | undefined {
    return this.resultOf(String(source))?.outputs.at(Number(slot));
  }

  /** Fills `linked` and returns the values of the widgets. */
  private resolveInputs(node: GraphNode, linked: Map<string, NodeValue>): Map<string, Json> {
    const widgets = new Map<string, Json>();
    for (const [name, value] of Object.entries(node.inputs)) {
      const [source, slot] = Array.isArray(value) && value.length === 2 ? value : [];
      if (typeof source !== 'string' || typeof slot !== 'number' || this.graph[source] === undefined) {
        widgets.set(name, value);
        continue;
      }
      const arrived = this.valueOf([source, slot]);
      if (arrived !== undefined) linked.set(name, arrived);
    }
    return widgets;
  }

  private faultTarget(id: string, node: GraphNode) {
    const samples = Object.values(this.prompt.graph).some(({ class_type }) => isSampler(class_type));
    const isDefault = samples ? isSampler(node.class_type) : this.services.catalogue.isOutput(node.class_type);
    return { id, classType: node.class_type, inputs: node.inputs, isDefault };
  }

  private context(id: string, node: GraphNode, middle: MiddleFault | undefined): NodeContext {
    const { settings, folders, tempMark, cache } = this.services;
    let drawingMs = 0;
    return {
      version: settings().version,
      nodeId: id,
      inputs: node.inputs,
      folders,
      tempMark,
      pngText: () => this.pngText(),
      loadModel: async (file) => {
        await this.control.wait(settings().modelLoadMs, false);
        this.loaded.push(file);
      },
      loadSmallModel: (file) => this.loadSmallModel(file),
      loadLora: async (file) => {
        if (cache.loras.has(id, file)) return;
        await this.loadSmallModel(file);
        cache.loras.keep(id, node.class_type, file);
      },
      useModels: (files) => this.useModels(files),
      encode: async (files) => {
        await this.useModels(files);
        const { encodeMs, version } = settings();
        if (encodeMs > 0) await this.control.wait(encodeMs, version === '0.33.0');
      },
      saving: async (format, { width, height, frames }, write) => {
        const began = performance.now();
        const written = await write();
        const { pngMsPerMegapixel, webpMsPerMegapixel } = settings();
        const perMegapixel = format === 'png' ? pngMsPerMegapixel : webpMsPerMegapixel;
        const leastMs = (perMegapixel * frames.length * width * height) / 1e6;
        if (leastMs > 0) await this.control.wait(leastMs - (performance.now() - began), false);
        return written;
      },
      sendText: (text) => this.services.hub.sendText(id, text),
      step: async (value, max, preview) => {
        await this.control.wait(settings().stepMs - drawingMs, settings().version === '0.33.0');
        this.control.check();
        if (middle !== undefined && value === Math.ceil(max / 2)) this.services.endMidway(middle);
        const began = performance.now();
        this.steps += 1;
        await this.reportStep(id, value, max, preview);
        drawingMs = performance.now() - began;
      },
    };
  }

  private async loadSmallModel(file: string): Promise<void> {
    const { smallModelLoadMs } = this.services.settings();
    if (smallModelLoadMs > 0) await this.control.wait(smallModelLoadMs, false);
    this.loaded.push(file);
  }

  private async useModels(files: readonly string[]): Promise<void> {
    const { swapMsPerGib, ...limits } = this.services.settings();
    const moved = this.services.vram.use(files, limits);
    this.moved.push(...moved);
    const bytes = moved.reduce((sum, file) => sum + (limits.modelBytes[file] ?? 0), 0);
    if (bytes > 0) await this.control.wait((bytes / GIB) * swapMsPerGib, false);
  }

  private async reportStep(id: string, value: number, max: number, preview?: () => Promise<Buffer>): Promise<void> {
    const { hub } = this.services;
    this.progress.update(id, value, max);
    this.sendProgressState();
    const jpeg = this.wantsPreviews() ? await preview?.() : undefined;
    const withMetadata = hub.wantsMetadata(this.clientId);
    if (jpeg !== undefined && withMetadata) {
      const metadata = { ...nodeIdentity(id, this.prompt.id, this.parents), image_type: 'image/jpeg' };
      hub.sendPreviewWithMetadata(jpeg, metadata, this.clientId);
    }
    this.send('progress', { value, max, prompt_id: this.prompt.id, node: id });
    if (jpeg !== undefined && !withMetadata) hub.sendPreview(jpeg, this.clientId);
  }

  private wantsPreviews(): boolean {
    const { previewMethod, version } = this.services.settings();
    const own = version === '0.33.0' ? this.prompt.extraData.preview_method : undefined;
    const method = own === 'none' || own === 'auto' || own === 'latent2rgb' || own === 'taesd' ? own : previewMethod;
    return method !== 'none' && this.services.hub.isListening(this.clientId);
  }

  private pngText(): Map<string, Json> {
    const graph: JsonObject = {};
    for (const [id, node] of Object.entries(this.prompt.graph)) {
      const hash = this.fileHashes.get(id);
      graph[id] = { ...node, ...(hash === undefined ? {} : { is_changed: [hash] }) };
    }
    const extra = this.prompt.extraData.extra_pnginfo;
    return new Map<string, Json>([['prompt', graph], ...(isObject(extra) ? Object.entries(extra) : [])]);
  }

  private failed(error: NodeError): RunResult {
    const { graph, id: promptId, extraData } = this.prompt;
    const { id, linked } = this.node ?? { id: '', linked: new Map() };
    const node = this.graph[id] as GraphNode;
    const realId = realNode(id, this.parents);
    const known = this.services.catalogue.inputs(node.class_type, node.inputs);
    this.message('execution_error', {
      prompt_id: promptId,
      node_id: realId,
      node_type: graph[realId]?.class_type ?? '',
      executed: [...this.executed],
      exception_message: `${error.message}\n`,
      exception_type: error.exceptionType,
      traceback: nodeTraceback(error, this.services.settings().version),
      current_inputs: shownInputs(node, linked, graph, known, extraData.extra_pnginfo),
      current_outputs: Object.keys(graph),
    });
    return this.result('error');
  }

  private interrupted(): RunResult {
    const id = realNode(this.node?.id ?? '', this.parents);
    const data = {
      prompt_id: this.prompt.id,
      node_id: id,
      node_type: this.prompt.graph[id]?.class_type ?? '',
      executed: [...this.executed],
    };
    this.message('execution_interrupted', data, true);
    return this.result('interrupted');
  }

  private result(outcome: RunResult['outcome']): RunResult {
    const outputs: JsonObject = {};
    const meta: JsonObject = {};
    const asked = nodesAbove(this.prompt.graph, this.prompt.outputs);
    for (const id of Object.keys(this.graph)) {
      if (!asked.has(id) && !this.parents.has(id)) continue;
      const known = this.resultOf(id);
      if (known?.ui === undefined) continue;
      outputs[id] = known.ui;
      const { node_id, display_node_id, parent_node_id, real_node_id } = nodeIdentity(known.nodeId, '', this.parents);
      meta[id] = { node_id, display_node: display_node_id, parent_node: parent_node_id, real_node_id };
    }
    const success = outcome === 'success';
    const status: RunStatus = {
      status_str: success ? 'success' : 'error',
      completed: success,
      messages: this.messages,
    };
    return { outcome, status, outputs, meta };
  }

  private resultOf(id: string) {
    return this.services.cache.get(this.signatures.get(id) ?? '');
  }

  /** Records a message for the history and sends it. Without a client id it is sent only if it is for `everybody`. */
  private message(event: string, data: JsonObject, everybody = false): void {
    const dated = { ...data, timestamp: Date.now() };
    this.messages.push([event, dated]);
    if (this.clientId !== undefined || everybody) this.send(event, dated);
  }

  private sendExecuted(id: string, output: Json): void {
    if (this.clientId === undefined) return;
    const shown = realNode(id, this.parents);
    this.send('executed', { node: id, display_node: shown, output, prompt_id: this.prompt.id });
  }

  private sendProgressState(): void {
    this.send('progress_state', this.progress.frame());
  }

  private send(type: string, data: Writable): void {
    this.services.hub.send(type, data, this.clientId);
  }
}
