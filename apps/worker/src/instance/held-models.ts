import type { SharedLoadTimes } from '@comfy-fleet/jobs';
import type { Logger } from '@comfy-fleet/telemetry';

/** Knows which model files an instance holds in memory, learned from the prompts that it executed. */
export interface HeldModels {
  /** The files it holds as far as we know, the last used first. */
  readonly files: readonly string[];
  /** How long the instance would load the files of `models` that it does not hold, in ms; 0 when it holds all. */
  loadMs(models: readonly string[]): number;
  /** A prompt with these models is on its way to the instance, which will hold them once the prompt begins. */
  use(models: readonly string[]): void;
  /** A prompt with these models was taken back before it began. */
  takenBack(models: readonly string[]): void;
  /** No more prompts are on their way. */
  queueEmptied(): void;
  /** A prompt with these models begins. Report what is observed of them to the returned object. */
  began(models: readonly string[]): SeenModels;
  /** The instance was restarted, freed its memory, or ran out of it. */
  forget(): void;
  /** Called when answers of loadMs may have changed, but not for prompts that change nothing. */
  onChange(listener: () => void): void;
}

/** Takes observations of the models of one prompt. */
export interface SeenModels {
  /** The file was in memory, since its node was not executed. */
  kept(file: string): void;
  /**
   * Its node was executed for `ms`; `isLinked`: the node would also be executed because of a change in other nodes.
   * Answers what that means for the file.
   */
  ran(file: string, ms: number, isLinked: boolean): 'kept' | 'loaded';
  /** Loading the file took `ms` in total. */
  took(file: string, ms: number): void;
}

interface Options {
  readonly times: LoadTimes;
  /** Whether the file is a checkpoint or a diffusion model. */
  readonly isMain: (file: string) => boolean;
}

/** Assumed load times until one was measured: a checkpoint of 7 GB at 700 MB/s, and a tenth of that for other files. */
const UNKNOWN_MAIN_MS = 10_000;
const UNKNOWN_OTHER_MS = 1000;
/**
 * A file was in memory if its node took less than this fraction of the file's usual load time. Files that load faster
 * than LEAST_USUAL_MS cannot be judged.
 */
const QUICK_FRACTION = 0.2;
const LEAST_USUAL_MS = 100;
/** More than any instance holds in memory or has in its queue. */
const MOST_REMEMBERED = 256;
const MOST_QUEUED = 32;

/**
 * Keeps the files that an instance used, the last first, and learns how many of them it holds. At the start it assumes
 * those of the last prompt, because an unchanged ComfyUI keeps only these results. The number rises when an older file
 * is still in memory, and falls when a file that should be is loaded again.
 */
export function createHeldModels({ times, isMain }: Options): HeldModels {
  const listeners: (() => void)[] = [];
  let used: readonly string[] = [];
  /** How many of `used` belong to the last prompt. */
  let last = 0;
  let keepsLast = true;
  let capacity = 0;
  let queued: (readonly string[])[] = [];

  /** The files it will hold after the queued prompts. */
  let held: ReadonlySet<string> = new Set();

  const notify = () => {
    for (const listener of listeners) listener();
  };
  const reach = (ofLast: number) => Math.max(capacity, keepsLast ? ofLast : 0);
  const heldAtTheEnd = () => {
    const order = queued.reduce<readonly string[]>((before, models) => moveToFront(models, before), used);
    return new Set(order.slice(0, reach(queued.at(-1)?.length ?? last)));
  };
  const changed = () => {
    const before = held;
    held = heldAtTheEnd();
    if (held.size !== before.size || [...held].some((file) => !before.has(file))) notify();
  };
  const estimate = (file: string) => times.of(file) ?? (isMain(file) ? UNKNOWN_MAIN_MS : UNKNOWN_OTHER_MS);

  times.onChange(notify);
  return {
    get files() {
      return used.slice(0, reach(last));
    },
    loadMs: (models) => models.filter((file) => !held.has(file)).reduce((sum, file) => sum + estimate(file), 0),
    use: (models) => {
      queued = [...queued, models].slice(-MOST_QUEUED);
      changed();
    },
    takenBack: (models) => {
      const index = queued.findLastIndex((other) => isSame(other, models));
      queued = queued.filter((_, at) => at !== index);
      changed();
    },
    queueEmptied: () => {
      queued = [];
      changed();
    },
    began: (models) => {
      const [before, ofLast] = [used, last];
      // Prompts begin in the order of submission, so those before it were taken out of the queue.
      queued = queued.slice(1 + queued.findIndex((other) => isSame(other, models)));
      used = moveToFront(models, before);
      last = models.length;
      changed();
      const learn = (file: string, isKept: boolean) => {
        const depth = before.indexOf(file) + 1;
        if (depth === 0) return;
        if (depth <= ofLast) keepsLast = isKept;
        if (!isKept) capacity = Math.min(capacity, depth - 1);
        else if (depth > ofLast) capacity = Math.max(capacity, depth);
        changed();
      };
      return {
        kept: (file) => learn(file, true),
        ran: (file, ms, isLinked) => {
          const usual = times.of(file);
          const isKept = usual !== undefined && usual >= LEAST_USUAL_MS && ms < QUICK_FRACTION * usual;
          if (isKept || !isLinked) learn(file, isKept);
          return isKept ? 'kept' : 'loaded';
        },
        took: times.learn,
      };
    },
    forget: () => {
      used = [];
      last = 0;
      queued = [];
      changed();
    },
    onChange: (listener) => {
      listeners.push(listener);
    },
  };
}

function moveToFront(models: readonly string[], order: readonly string[]): readonly string[] {
  return [...new Set([...models, ...order])].slice(0, MOST_REMEMBERED);
}

function isSame(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((file, index) => file === other[index]);
}

/** Knows how long model files take to load, as measured anywhere in the fleet. */
export interface LoadTimes {
  /** In ms; undefined if it was never measured. */
  of(file: string): number | undefined;
  /** Reports a measured load time. */
  learn(file: string, ms: number): void;
  /** Called when load times may have changed. */
  onChange(listener: () => void): void;
  /** Reads the measurements of other workers. Call it repeatedly. */
  read(): Promise<void>;
}

export function createLoadTimes(shared: SharedLoadTimes, log: Logger): LoadTimes {
  const listeners: (() => void)[] = [];
  let known = new Map<string, number>();
  let isNotifying = false;
  /** Once for all files that are learned at the end of a prompt, since listeners look through everything they know. */
  const notify = () => {
    if (isNotifying) return;
    isNotifying = true;
    setImmediate(() => {
      isNotifying = false;
      for (const listener of listeners) listener();
    });
  };
  return {
    of: (file) => known.get(file),
    learn: (file, ms) => {
      shared.learn(file, ms).then(
        (average) => {
          if (known.get(file) === average) return;
          known.set(file, average);
          notify();
        },
        (error: unknown) => log.warn('could not record how long a model took to load', { file, error }),
      );
    },
    onChange: (listener) => {
      listeners.push(listener);
    },
    read: async () => {
      const times = new Map(await shared.read());
      const isNew = times.size !== known.size || [...times].some(([file, ms]) => known.get(file) !== ms);
      known = times;
      if (isNew) notify();
    },
  };
}
