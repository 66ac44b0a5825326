import type { Json, JsonObject } from '../src/json/values.js';

type Described = Record<string, { input: JsonObject; output: Json[]; output_node: boolean }>;

/** Small ones of their type; what stands first otherwise may want more than it gives. */
const FAVOURITES: Readonly<Record<string, string>> = {
  IMAGE: 'EmptyImage',
  LATENT: 'EmptyLatentImage',
  MODEL: 'UNETLoader',
  CLIP: 'CLIPLoader',
  VAE: 'VAELoader',
  CONDITIONING: 'CLIPTextEncode',
};
const SMALL = new Set(['width', 'height']);

/** Graphs from the catalogue alone: each required input is its default, its first choice, or a link. */
export class AnyGraph {
  readonly graph: JsonObject = {};
  private readonly described: Described;
  private readonly byClass = new Map<string, string>();

  constructor(described: JsonObject) {
    this.described = described as unknown as Described;
  }

  /** The id of a node of that class, with all that it needs above it. */
  add(classType: string): string {
    const known = this.byClass.get(classType);
    if (known !== undefined) return known;
    const id = String(this.byClass.size + 1);
    this.byClass.set(classType, id);
    const inputs: JsonObject = {};
    this.fill(inputs, (this.described[classType]?.input.required ?? {}) as JsonObject, '');
    this.graph[id] = { class_type: classType, inputs };
    return id;
  }

  private fill(inputs: JsonObject, specs: JsonObject, prefix: string): void {
    for (const [name, spec] of Object.entries(specs)) {
      const [type, options = {}] = spec as [Json, JsonObject | undefined];
      const full = `${prefix}${name}`;
      if (type === 'COMFY_AUTOGROW_V3') this.grow(inputs, options.template as JsonObject, `${full}.`);
      else if (type === 'COMFY_DYNAMICCOMBO_V3') {
        const [first] = options.options as JsonObject[];
        inputs[full] = first?.key ?? null;
        this.fill(inputs, ((first?.inputs ?? {}) as Record<string, JsonObject>).required ?? {}, `${full}.`);
      } else
        inputs[full] =
          SMALL.has(name) && type === 'INT' ? small(options) : (widget(type, options) ?? this.link(String(type)));
    }
  }

  private grow(inputs: JsonObject, template: JsonObject, prefix: string): void {
    const [spec] = Object.values((template.input as JsonObject).required ?? {});
    if (spec === undefined) return;
    const names = (template.names as string[] | undefined) ?? [];
    for (let index = 0; index < Number(template.min); index++) {
      this.fill(inputs, { [names[index] ?? `${template.prefix}${index}`]: spec }, prefix);
    }
  }

  private link(wanted: string): Json {
    const types = wanted === '*' || wanted.startsWith('COMFY_MATCHTYPE') ? ['IMAGE'] : wanted.split(',');
    for (const type of types) {
      const makers = [FAVOURITES[type] ?? '', ...Object.keys(this.described)];
      // not one that waits for this very link
      const isFree = (name: string) =>
        !this.byClass.has(name) || this.graph[this.byClass.get(name) ?? ''] !== undefined;
      const maker = makers.find((name) => this.described[name]?.output.includes(type) && isFree(name));
      if (maker !== undefined) return [this.add(maker), this.described[maker]?.output.indexOf(type) ?? 0];
    }
    // a type that only the front end makes
    return 'made by a widget';
  }
}

function small(options: JsonObject): Json {
  return Math.max(Number(options.min ?? 0), 64);
}

function widget(type: Json, options: JsonObject): Json | undefined {
  const choices = Array.isArray(type) ? type : type === 'COMBO' ? ((options.options ?? []) as Json[]) : undefined;
  if (choices !== undefined)
    return choices.includes(options.default ?? '') ? (options.default ?? '') : (choices[0] ?? '');
  if (options.forceInput === true) return undefined;
  // a list alone would be a link
  if (Array.isArray(options.default)) return { __value__: options.default };
  const empty: Record<string, Json> = { INT: 0, FLOAT: 0, STRING: '', BOOLEAN: false };
  return options.default ?? empty[String(type)];
}
