import { pythonText } from '@comfy-fleet/workflows';
import type { Graph } from '../prompt-queue.js';
import { type Json, type JsonObject, toNumber } from '../python.js';
import type { ComfyVersion } from '../settings.js';
import type { NodeValue, NodeValueOf } from './values.js';

/** What a node may do while it runs. */
export interface NodeContext {
  readonly version: ComfyVersion;
  readonly nodeId: string;
  /** As they stand in the graph, links included. */
  readonly inputs: JsonObject;
  readonly folders: Folders;
  /** The graph as it goes into a PNG, and the keys of extra_pnginfo beside it. */
  readonly pngText: () => ReadonlyMap<string, Json>;
  /** Five letters that set the temporary pictures of this start apart. */
  readonly tempMark: string;
  /** Lets the time of loading a checkpoint or diffusion model pass. An interrupt is heard only afterwards. */
  loadModel(file: string): Promise<void>;
  /** The same for other model files: VAEs, text encoders, ControlNets. */
  loadSmallModel(file: string): Promise<void>;
  /** The same for a LoRA, unless it is the one that this node read last. */
  loadLora(file: string): Promise<void>;
  /** One step: its time, its frames. `preview` draws a sampler's picture so far, asked only if somebody looks. */
  step(value: number, max: number, preview?: () => Promise<Buffer>): Promise<void>;
  /** Sends a text about the node's progress, to everybody. */
  say(text: string): void;
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

/** Nodes that are to run in the place of one, and the links that give its outputs. */
export interface Expansion {
  readonly nodes: Graph;
  readonly results: readonly Json[][];
}

export type NodeRunner = (inputs: NodeInputs, context: NodeContext) => NodeResult | Promise<NodeResult>;

/** A node's inputs: values of widgets, and what its links brought. */
export class NodeInputs {
  private readonly widgets: ReadonlyMap<string, Json>;
  private readonly linked: ReadonlyMap<string, NodeValue>;

  constructor(widgets: ReadonlyMap<string, Json>, linked: ReadonlyMap<string, NodeValue>) {
    this.widgets = widgets;
    this.linked = linked;
  }

  /** The linked value of this kind. Validation has seen to the type; a missing optional one is undefined. */
  find<K extends NodeValue['kind']>(name: string, kind: K): NodeValueOf<K> | undefined {
    const value = this.linked.get(name);
    return value?.kind === kind ? (value as NodeValueOf<K>) : undefined;
  }

  get<K extends NodeValue['kind']>(name: string, kind: K): NodeValueOf<K> {
    const value = this.find(name, kind);
    if (value === undefined) throw new Error(`input ${name} is no ${kind}`);
    return value;
  }

  /** What the links brought, in the order of the inputs. */
  get arrived(): readonly NodeValue[] {
    return [...this.linked.values()];
  }

  /** The names and values of the widgets that are no links. */
  get written(): readonly (readonly [string, Json])[] {
    return [...this.widgets];
  }

  number(name: string, otherwise = 0): number {
    return toNumber(this.widget(name), otherwise);
  }

  text(name: string, otherwise = ''): string {
    const value = this.widget(name);
    return value === undefined ? otherwise : pythonText(value);
  }

  /** An integer's decimal digits, exact. */
  digits(name: string): string {
    return pythonText(this.widget(name) ?? 0);
  }

  /** As it stands there, exact; null when it is absent. */
  value(name: string): Json {
    return this.widget(name) ?? null;
  }

  /** What stands in the widget, or what a primitive node is linked to it for. */
  private widget(name: string): Json | undefined {
    return this.widgets.get(name) ?? this.find(name, 'primitive')?.value;
  }
}
