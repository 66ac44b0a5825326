import Type, { type Static } from 'typebox';
import { SettingsError, schemaErrors } from './settings.js';

const common = {
  /** How often it happens; absent: until it is removed. */
  times: Type.Optional(Type.Integer({ minimum: 1 })),
  /** Chance at each opportunity, drawn from a seeded generator. */
  probability: Type.Optional(Type.Number({ minimum: 0, maximum: 1 })),
};
const node = Type.Optional(Type.String({ minLength: 1, description: 'Class or id of the node' }));
const strict = { additionalProperties: false };

const faultSchemas = {
  /** The node raises. Without `node`: the sampler, or the output where there is none. */
  node_error: Type.Object(
    {
      kind: Type.Literal('node_error'),
      node,
      message: Type.Optional(Type.String()),
      exceptionType: Type.Optional(Type.String()),
      ...common,
    },
    strict,
  ),
  /** The file of a model is corrupt: whatever loads it fails, and the rest goes on. `file` as in the loader's inputs. */
  corrupt_model: Type.Object(
    { kind: Type.Literal('corrupt_model'), file: Type.String({ minLength: 1 }), ...common },
    strict,
  ),
  /** The node runs out of memory. `clearedByFree`: POST /free with free_memory ends it. */
  out_of_memory: Type.Object(
    { kind: Type.Literal('out_of_memory'), node, clearedByFree: Type.Optional(Type.Boolean()), ...common },
    strict,
  ),
  /**
   * The node runs until it is interrupted, or for `ms`, or, without `times`, until the fault is removed. `ignoresInterrupts`: as a node that never looks up (a stuck
   * download, a hung kernel): an interrupt shows only when it is over.
   */
  hang: Type.Object(
    {
      kind: Type.Literal('hang'),
      node,
      ms: Type.Optional(Type.Number({ minimum: 0 })),
      ignoresInterrupts: Type.Optional(Type.Boolean()),
      ...common,
    },
    strict,
  ),
  /** Prompts are accepted and none begins, as when the thread that executes them has died: until it is removed, or a restart. */
  dead_executor: Type.Object({ kind: Type.Literal('dead_executor') }, strict),
  /** No frame at all; with `times` or `probability` none during a whole prompt. The connections stay open. */
  silent_socket: Type.Object({ kind: Type.Literal('silent_socket'), ...common }, strict),
  /** POST /prompt answers 500 although the prompt is in the queue. */
  error_after_accepting: Type.Object({ kind: Type.Literal('error_after_accepting'), ...common }, strict),
  /** POST /prompt cuts the connection; the prompt is not in the queue. */
  reset_before_accepting: Type.Object({ kind: Type.Literal('reset_before_accepting'), ...common }, strict),
  /** POST /prompt cuts the connection; the prompt is in the queue. */
  reset_after_accepting: Type.Object({ kind: Type.Literal('reset_after_accepting'), ...common }, strict),
  /** GET /view waits `ms` first, then sends at most `bytesPerSecond`. */
  slow_view: Type.Object(
    {
      kind: Type.Literal('slow_view'),
      ms: Type.Optional(Type.Number({ minimum: 0 })),
      bytesPerSecond: Type.Optional(Type.Number({ minimum: 1 })),
      ...common,
    },
    strict,
  ),
  /** The prompt runs to its end, and the history never hears of it. */
  lost_history: Type.Object({ kind: Type.Literal('lost_history'), ...common }, strict),
  /** The running prompt is forgotten in the middle, as by a restart: neither in the queue nor in the history. */
  lost_prompt: Type.Object({ kind: Type.Literal('lost_prompt'), node, ...common }, strict),
  /** The process dies in the middle of a prompt, as by SIGKILL. */
  crash: Type.Object({ kind: Type.Literal('crash'), node, ...common }, strict),
};

export type FaultKind = keyof typeof faultSchemas;
export type FaultOf<K extends FaultKind> = Static<(typeof faultSchemas)[K]>;
export type Fault = { [K in FaultKind]: FaultOf<K> }[FaultKind];
export type PlantedFault = Fault & { readonly id: number };

/** The faults that wait for their moment. Probabilities come from a generator with a fixed seed: runs repeat. */
export class FaultBook {
  private planted: PlantedFault[] = [];
  private nextId = 1;
  private random = seeded(1);
  private readonly removed: () => void;

  /** `removed` is called when faults were taken away. */
  constructor(removed: () => void = () => {}) {
    this.removed = removed;
  }

  /** Plants a fault and returns it with its id. Throws a SettingsError. */
  add(fault: Fault): PlantedFault {
    const { kind } = fault;
    if (!Object.hasOwn(faultSchemas, kind))
      throw new SettingsError([`kind must be one of ${Object.keys(faultSchemas).join(', ')}`]);
    const schema = faultSchemas[kind];
    if (schemaErrors(schema, fault).length > 0) {
      throw new SettingsError([`${kind} takes ${Object.keys(schema.properties).join(', ')}, in their types`]);
    }
    const planted = { ...fault, id: this.nextId++ };
    this.planted.push(planted);
    return planted;
  }

  /** Whether no prompt begins. */
  get stopsExecutor(): boolean {
    return this.planted.some(({ kind }) => kind === 'dead_executor');
  }

  /** Whether sockets are silent for good: a silent_socket without number or chance is not tied to a prompt. */
  get silencesAll(): boolean {
    return this.planted.some(
      (fault) => fault.kind === 'silent_socket' && (fault.times ?? fault.probability) === undefined,
    );
  }

  /** Whether it is still planted. */
  has(fault: Fault): boolean {
    return this.planted.some((planted) => planted === fault);
  }

  list(): readonly PlantedFault[] {
    return [...this.planted];
  }

  /** Removes every fault, or those that `which` picks. */
  remove(which: (fault: PlantedFault) => boolean = () => true): void {
    this.planted = this.planted.filter((fault) => !which(fault));
    this.removed();
  }

  /** Begins the row of random numbers anew. */
  reseed(seed: number): void {
    this.random = seeded(seed);
  }

  /** The first fault of this kind that happens now; it counts as having happened. */
  take<K extends FaultKind>(kind: K, matches: (fault: FaultOf<K>) => boolean = () => true): FaultOf<K> | undefined {
    for (const fault of this.planted) {
      if (fault.kind !== kind || !matches(fault as FaultOf<K>)) continue;
      if (fault.kind === 'dead_executor') return fault as FaultOf<K>;
      if (fault.probability !== undefined && this.random() >= fault.probability) continue;
      if (fault.times !== undefined) {
        const left = fault.times - 1;
        if (left === 0) this.remove(({ id }) => id === fault.id);
        else fault.times = left;
      }
      return fault as FaultOf<K>;
    }
    return undefined;
  }
}

/** mulberry32: small, fast and the same everywhere. */
function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
