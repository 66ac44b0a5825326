import Type, { type Static } from 'typebox';
import { SettingsError, schemaErrors } from './settings.js';

const common = {
  /** How often the fault happens; absent: until it is removed. */
  times: Type.Optional(Type.Integer({ minimum: 1 })),
  /** Probability at each opportunity, drawn from a seeded generator. */
  probability: Type.Optional(Type.Number({ minimum: 0, maximum: 1 })),
};
const node = Type.Optional(Type.String({ minLength: 1, description: 'Class or id of the node' }));
const strict = { additionalProperties: false };

const faultSchemas = {
  /** The node raises an exception. Without `node` the sampler does, or the output node if there is no sampler. */
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
  /** A model file is corrupt: nodes that load it fail. `file` is its name in the loader's inputs. */
  corrupt_model: Type.Object(
    { kind: Type.Literal('corrupt_model'), file: Type.String({ minLength: 1 }), ...common },
    strict,
  ),
  /** The node runs out of memory. With `clearedByFree` a POST /free removes the fault. */
  out_of_memory: Type.Object(
    { kind: Type.Literal('out_of_memory'), node, clearedByFree: Type.Optional(Type.Boolean()), ...common },
    strict,
  ),
  /**
   * The node runs until it is interrupted, for `ms`, or, without `times`, until the fault is removed. With
   * `ignoresInterrupts` an interrupt takes effect only afterwards, as with a stuck download or a hung kernel.
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
  /** Prompts are accepted but none starts, as if the executor thread had died. A restart removes the fault. */
  dead_executor: Type.Object({ kind: Type.Literal('dead_executor') }, strict),
  /** Sockets stay open but send nothing; with `times` or `probability`, only while a prompt runs. */
  silent_socket: Type.Object({ kind: Type.Literal('silent_socket'), ...common }, strict),
  /** POST /prompt answers 500 although it has queued the prompt. */
  error_after_accepting: Type.Object({ kind: Type.Literal('error_after_accepting'), ...common }, strict),
  /** POST /prompt resets the connection and does not queue the prompt. */
  reset_before_accepting: Type.Object({ kind: Type.Literal('reset_before_accepting'), ...common }, strict),
  /** POST /prompt resets the connection although it has queued the prompt. */
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
  /** The prompt runs to its end but never appears in the history. */
  lost_history: Type.Object({ kind: Type.Literal('lost_history'), ...common }, strict),
  /** The running prompt vanishes midway, as in a restart: it is neither in the queue nor in the history. */
  lost_prompt: Type.Object({ kind: Type.Literal('lost_prompt'), node, ...common }, strict),
  /** The process dies in the middle of a prompt, as with SIGKILL. */
  crash: Type.Object({ kind: Type.Literal('crash'), node, ...common }, strict),
};

export type FaultKind = keyof typeof faultSchemas;
export type FaultOf<K extends FaultKind> = Static<(typeof faultSchemas)[K]>;
export type Fault = { [K in FaultKind]: FaultOf<K> }[FaultKind];
export type PlantedFault = Fault & { readonly id: number };

/** The planted faults. Their probabilities use a generator with a fixed seed, so that runs can be repeated. */
export class FaultBook {
  private planted: PlantedFault[] = [];
  private nextId = 1;
  private random = seeded(1);
  private readonly onRemoved: () => void;

  /** `onRemoved` is called after faults were removed. */
  constructor(onRemoved: () => void = () => {}) {
    this.onRemoved = onRemoved;
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

  /** Whether the executor is dead, so that no prompt starts. */
  get stopsExecutor(): boolean {
    return this.planted.some(({ kind }) => kind === 'dead_executor');
  }

  /** Whether all sockets are silent: a silent_socket without `times` or `probability` is not tied to a prompt. */
  get silencesAll(): boolean {
    return this.planted.some(
      (fault) => fault.kind === 'silent_socket' && (fault.times ?? fault.probability) === undefined,
    );
  }

  /** Whether the fault is still planted. */
  has(fault: Fault): boolean {
    return this.planted.some((planted) => planted === fault);
  }

  list(): readonly PlantedFault[] {
    return [...this.planted];
  }

  /** Removes the faults that match; by default all. */
  remove(which: (fault: PlantedFault) => boolean = () => true): void {
    this.planted = this.planted.filter((fault) => !which(fault));
    this.onRemoved();
  }

  /** Restarts the sequence of random numbers. */
  reseed(seed: number): void {
    this.random = seeded(seed);
  }

  /** Returns the first fault of this kind that happens now, and counts it as used. */
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

/** The random number generator mulberry32. */
function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
