import type { LoadTimes } from './load-times.js';

/** What an instance has in memory, learned from the prompts that it executed. */
export interface HeldModels {
  /** The files it holds as far as we know, the one used last first. */
  readonly files: readonly string[];
  /** How long loading those of `models` takes that it does not hold, in ms; 0 when it holds all. */
  loadMs(models: readonly string[]): number;
  /** A prompt with these is on its way to it: from its turn on it holds them. */
  use(models: readonly string[]): void;
  /** One with these that was on its way was taken back. */
  takenBack(models: readonly string[]): void;
  /** Nothing more is on its way. */
  nothingComes(): void;
  /** It executes a prompt with these. What is seen of them is to be said to what is answered. */
  began(models: readonly string[]): SeenModels;
  /** It was restarted, freed its memory, or ran out of it. */
  forget(): void;
  /** Called whenever what loadMs answers may have changed, and not for every prompt that changes nothing. */
  onChange(listener: () => void): void;
}

/** What is seen of the models of one prompt. */
export interface SeenModels {
  /** The file was in memory: its node was not executed. */
  kept(file: string): void;
  /**
   * Its node was, for so many ms; `isLinked`: as it would have been for a change in other nodes. Answers what that says
   * of the file.
   */
  ran(file: string, ms: number, isLinked: boolean): 'kept' | 'loaded';
  /** Loading it took so many ms in all. */
  took(file: string, ms: number): void;
}

interface Options {
  readonly times: LoadTimes;
  /** Whether it is a checkpoint or a diffusion model. */
  readonly isMain: (file: string) => boolean;
}

/** What loading takes until it was seen once: a checkpoint of 7 GB at 700 MB/s, and files of a tenth of that. */
const UNKNOWN_MAIN_MS = 10_000;
const UNKNOWN_OTHER_MS = 1000;
/** A file whose node takes no larger part of what loading it took before was in memory; shorter loads tell nothing. */
const QUICK_FRACTION = 0.2;
const TELLING_MS = 100;
/** No memory holds as many, and no queue of an instance is as long. */
const MOST_REMEMBERED = 256;
const MOST_COMING = 32;

/**
 * The files that an instance used, last first, of which it holds the first ones. How many is learned: at the start what
 * the last prompt used, as an unchanged ComfyUI keeps the results of that one alone; more when a file from further back
 * turns out to be there still, less when one that should be there is loaded again.
 */
export function createHeldModels({ times, isMain }: Options): HeldModels {
  const listeners: (() => void)[] = [];
  let used: readonly string[] = [];
  /** How many of `used` were those of the last prompt. */
  let last = 0;
  let keepsLast = true;
  let capacity = 0;
  let coming: (readonly string[])[] = [];

  /** After what is on its way. */
  let held: ReadonlySet<string> = new Set();

  const notify = () => {
    for (const listener of listeners) listener();
  };
  const reach = (ofLast: number) => Math.max(capacity, keepsLast ? ofLast : 0);
  const heldAtTheEnd = () => {
    const order = coming.reduce<readonly string[]>((before, models) => moveToFront(models, before), used);
    return new Set(order.slice(0, reach(coming.at(-1)?.length ?? last)));
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
      coming = [...coming, models].slice(-MOST_COMING);
      changed();
    },
    takenBack: (models) => {
      const index = coming.findLastIndex((other) => isSame(other, models));
      coming = coming.filter((_, at) => at !== index);
      changed();
    },
    nothingComes: () => {
      coming = [];
      changed();
    },
    began: (models) => {
      const [before, ofLast] = [used, last];
      // They begin in the order in which they came: those before it were taken out of the queue.
      coming = coming.slice(1 + coming.findIndex((other) => isSame(other, models)));
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
          const isKept = usual !== undefined && usual >= TELLING_MS && ms < QUICK_FRACTION * usual;
          if (isKept || !isLinked) learn(file, isKept);
          return isKept ? 'kept' : 'loaded';
        },
        took: times.learn,
      };
    },
    forget: () => {
      used = [];
      last = 0;
      coming = [];
      changed();
    },
    onChange: (listener) => {
      listeners.push(listener);
    },
  };
}

function moveToFront(models: readonly string[], order: readonly string[]): readonly string[] {
  return [...models, ...order.filter((file) => !models.includes(file))].slice(0, MOST_REMEMBERED);
}

function isSame(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((file, index) => file === other[index]);
}
