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
import { isSampler, type MiddleFault, meetFaults } from './planted-faults.js';
import { nodeIdentity, Progress, realNode } from './progress.js';

export interface RunServices {
  readonly settings: () => SimulatorSettings;
  readonly catalogue: Catalogue;
  readonly folders: Folders;
  readonly faults: FaultBook;
  readonly hub: SocketHub;
  readonly cache: ResultCache;
  readonly pace: Pace;
  /** Sets the temporary pictures of this start apart. */
  readonly tempMark: string;
  /** Carries out what a planted fault wants in the middle of a node; throws. */
  readonly breakOff: (fault: MiddleFault) => never;
}

export interface RunResult {
  readonly outcome: 'success' | 'error' | 'interrupted';
  readonly status: RunStatus;
  readonly outputs: JsonObject;
  readonly meta: JsonObject;
}

/** One execution of one prompt, frame for frame as ComfyUI goes about it. */
export class PromptRun {
  /** The node under way, as a client that reconnects is told; known only for prompts with a client id. */
  currentNode: string | undefined;
  /** Sampler steps done. */
  steps = 0;
  cached: readonly string[] = [];
  /** The model files read from the disk. */
  readonly loaded: string[] = [];
  private readonly prompt: QueuedPrompt;
  private readonly use: RunServices;
  private readonly control: RunControl;
  private readonly clientId: Json | undefined;
  private readonly progress: Progress;
  private readonly messages: [string, JsonObject][] = [];
  private readonly executed = new Set<string>();
  /** The graph of the prompt, with what its nodes were expanded to. */
  private graph: Graph;
  private readonly parents = new Map<string, string>();
  /** Of nodes that wait for what they were expanded to: the links that give their outputs. */
  private readonly expanded = new Map<string, Expansion['results']>();
  private signatures: ReadonlyMap<string, string> = new Map();
  private fileHashes: ReadonlyMap<string, string> = new Map();
  /** The node at hand, and what came over its links: for the report of an error. */
  private node: { readonly id: string; readonly linked: ReadonlyMap<string, NodeValue> } | undefined;

  constructor(prompt: QueuedPrompt, use: RunServices, control: RunControl) {
    this.prompt = prompt;
    this.use = use;
    this.control = control;
    this.clientId = clientIdOf(prompt);
    this.graph = prompt.graph;
    this.progress = new Progress(prompt.id, this.parents);
  }

  /** Runs to the end and says how it went. Throws only an AbandonedError. */
  async execute(): Promise<RunResult> {
    const { graph, outputs, id: promptId } = this.prompt;
    const began = performance.now();
    this.message('execution_start', { prompt_id: promptId });
    this.fileHashes = await fileHashes(graph, this.use.folders);
    this.signatures = signatures(graph, this.fileHashes);
    this.use.cache.begin(graph, this.signatures.values());
    this.cached = Object.keys(graph).filter((id) => this.resultOf(id) !== undefined);
    this.message('execution_cached', { nodes: [...this.cached], prompt_id: promptId });
    const isOutput = (id: string) => this.use.catalogue.isOutput(this.graph[id]?.class_type ?? '');
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
      await this.use.pace.settle(began, this.use.settings().promptMs, this.control);
      this.control.check();
      this.message('execution_success', { prompt_id: promptId });
      return this.result('success');
    } catch (error) {
      if (error instanceof InterruptedError) return this.interrupted();
      if (error instanceof AbandonedError) throw error;
      // Whatever a node stumbles over is that prompt's failure; the next one runs.
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

  /** Answers what it was expanded to, if it was: then it is to run again after that. */
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
    const middle = await meetFaults(
      this.faultTarget(id, node),
      this.use.faults,
      this.control,
      this.use.settings().vramBytes,
    );
    if (middle !== undefined && !isSampler(node.class_type)) this.use.breakOff(middle);
    const run = nodeRunners[node.class_type] ?? bySignature(node.class_type, this.use.catalogue);
    const result = await run(new NodeInputs(widgets, linked), this.context(id, node, middle));
    return result.expansion ?? this.finish(id, result);
  }

  private finish(id: string, { outputs, ui }: NodeResult): undefined {
    this.use.cache.set(this.signatures.get(id) ?? '', { outputs, ui, nodeId: id });
    if (ui !== undefined) this.sendExecuted(id, ui);
    this.progress.finish(id);
    this.sendProgressState();
    this.executed.add(id);
  }

  /** What came out of the node at the other end of the link. */
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
    const isDefault = samples ? isSampler(node.class_type) : this.use.catalogue.isOutput(node.class_type);
    return { id, classType: node.class_type, inputs: node.inputs, isDefault };
  }

  private context(id: string, node: GraphNode, middle: MiddleFault | undefined): NodeContext {
    const { settings, folders, tempMark, cache } = this.use;
    let drawingMs = 0;
    return {
      version: settings().version,
      nodeId: id,
      inputs: node.inputs,
      folders,
      tempMark,
      pngText: () => this.pngText(),
      loadModel: async (file) => {
        await this.control.pass(settings().modelLoadMs, false);
        this.loaded.push(file);
      },
      loadSmallModel: (file) => this.loadSmallModel(file),
      loadLora: async (file) => {
        if (cache.loras.has(id, file)) return;
        await this.loadSmallModel(file);
        cache.loras.keep(id, node.class_type, file);
      },
      say: (text) => this.use.hub.sendText(id, text),
      step: async (value, max, preview) => {
        await this.control.pass(settings().stepMs - drawingMs, settings().version === '0.33.0');
        this.control.check();
        if (middle !== undefined && value === Math.ceil(max / 2)) this.use.breakOff(middle);
        const began = performance.now();
        this.steps += 1;
        await this.reportStep(id, value, max, preview);
        drawingMs = performance.now() - began;
      },
    };
  }

  private async loadSmallModel(file: string): Promise<void> {
    const { smallModelLoadMs } = this.use.settings();
    if (smallModelLoadMs > 0) await this.control.pass(smallModelLoadMs, false);
    this.loaded.push(file);
  }

  private async reportStep(id: string, value: number, max: number, preview?: () => Promise<Buffer>): Promise<void> {
    const { hub } = this.use;
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
    const { previewMethod, version } = this.use.settings();
    const own = version === '0.33.0' ? this.prompt.extraData.preview_method : undefined;
    const method = own === 'none' || own === 'auto' || own === 'latent2rgb' || own === 'taesd' ? own : previewMethod;
    return method !== 'none' && this.use.hub.isListening(this.clientId);
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
    const known = this.use.catalogue.inputs(node.class_type, node.inputs);
    this.message('execution_error', {
      prompt_id: promptId,
      node_id: realId,
      node_type: graph[realId]?.class_type ?? '',
      executed: [...this.executed],
      exception_message: `${error.message}\n`,
      exception_type: error.exceptionType,
      traceback: nodeTraceback(error, this.use.settings().version),
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
    return this.use.cache.get(this.signatures.get(id) ?? '');
  }

  /** Keeps a message for the history and sends it: without a client id only if it is meant for everybody. */
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
    this.use.hub.send(type, data, this.clientId);
  }
}
