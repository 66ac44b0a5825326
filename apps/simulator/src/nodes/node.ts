import { pythonText } from '@comfy-fleet/workflows';
import type { Graph } from '../prompt-queue.js';
import { type Json, type JsonObject, toNumber } from '../python.js';
import type { ComfyVersion } from '../settings.js';
import type { Images, NodeValue, NodeValueOf } from './values.js';

/** What a running node can use. */
export interface NodeContext {
  readonly version: ComfyVersion;
  readonly nodeId: string;
  /** The inputs in the graph, including links. */
  readonly inputs: JsonObject;
  readonly folders: Folders;
  /** The texts for a PNG: the graph, and the keys of extra_pnginfo. */
  readonly pngText: () => ReadonlyMap<string, Json>;
  /** Five letters in the names of temporary pictures; new at each start of the server. */
  readonly tempMark: string;
  /** Takes the time of loading a checkpoint or diffusion model. An interrupt takes effect only afterwards. */
  loadModel(file: string): Promise<void>;
  /** The same for other model files: VAEs, text encoders, ControlNets. */
  loadSmallModel(file: string): Promise<void>;
  /** The same for a LoRA, unless this node read the same file last. */
  loadLora(file: string): Promise<void>;
  /** Moves the models into the device's memory, and takes the time of that. */
  useModels(files: readonly string[]): Promise<void>;
  /** Takes the time of encoding a text with these text encoders. */
  encode(files: readonly string[]): Promise<void>;
  /** Writes pictures, and takes at least the time that ComfyUI needs to compress them. */
  saving<T>(format: 'png' | 'webp', images: Images, write: () => Promise<T>): Promise<T>;
  /**
   * Takes the time of a step and sends its frames. `preview` draws the picture so far; it is called only if a client
   * listens.
   */
  step(value: number, max: number, preview?: () => Promise<Buffer>): Promise<void>;
  /** Sends a text about the node's progress to all clients. */
  sendText(text: string): void;
}

export interface Folders {
  readonly root: string;
  readonly input: string;
  readonly output: string;
  readonly temp: string;
}

export interface NodeResult {
  readonly outputs: readonly NodeValue[];
  /** What an output node shows: the `output` of its `executed` frame and its entry in the history. */
  readonly ui?: JsonObject;
  readonly expansion?: Expansion;
}

/** Nodes that replace a node, and the links that provide its outputs. */
export interface Expansion {
  readonly nodes: Graph;
  readonly results: readonly Json[][];
}

export type NodeRunner = (inputs: NodeInputs, context: NodeContext) => NodeResult | Promise<NodeResult>;

/** A node's inputs: the values of its widgets and its links. */
export class NodeInputs {
  private readonly widgets: ReadonlyMap<string, Json>;
  private readonly linked: ReadonlyMap<string, NodeValue>;

  constructor(widgets: ReadonlyMap<string, Json>, linked: ReadonlyMap<string, NodeValue>) {
    this.widgets = widgets;
    this.linked = linked;
  }

  /** The linked value. Validation has checked its type, so only a missing optional input is undefined. */
  find<K extends NodeValue['kind']>(name: string, kind: K): NodeValueOf<K> | undefined {
    const value = this.linked.get(name);
    return value?.kind === kind ? (value as NodeValueOf<K>) : undefined;
  }

  get<K extends NodeValue['kind']>(name: string, kind: K): NodeValueOf<K> {
    const value = this.find(name, kind);
    if (value === undefined) throw new Error(`input ${name} is not of kind ${kind}`);
    return value;
  }

  /** The values of the links, in the order of the inputs. */
  get linkedValues(): readonly NodeValue[] {
    return [...this.linked.values()];
  }

  /** The names and values of the widgets that are not linked. */
  get widgetValues(): readonly (readonly [string, Json])[] {
    return [...this.widgets];
  }

  number(name: string, otherwise = 0): number {
    return toNumber(this.widget(name), otherwise);
  }

  text(name: string, otherwise = ''): string {
    const value = this.widget(name);
    return value === undefined ? otherwise : pythonText(value);
  }

  /** The exact decimal digits of an integer. */
  digits(name: string): string {
    return pythonText(this.widget(name) ?? 0);
  }

  /** The exact value; null if it is absent. */
  value(name: string): Json {
    return this.widget(name) ?? null;
  }

  /** The value of the widget, or of a primitive node linked to it. */
  private widget(name: string): Json | undefined {
    return this.widgets.get(name) ?? this.find(name, 'primitive')?.value;
  }
}
