import { createRandom, type Random } from '../../../lib/random.js';

/** Jobs that need different model files, for GPUs that hold few of them. Times in ms. */
export interface ModelScenario {
  readonly what: string;
  readonly gpus: number;
  /** How many checkpoints fit into memory. With 1, ComfyUI's default, it keeps the models of the last prompt. */
  readonly holds: number;
  /** The kind of `files`. With LoRAs all jobs use the same checkpoint. */
  readonly kind: 'checkpoint' | 'lora';
  readonly files: readonly string[];
  readonly loadMs: number;
  readonly promptMs: number;
  /** The file that each job needs, in the order of arrival. */
  readonly jobs: readonly string[];
  /** Absent if all jobs arrive before the first is executed. */
  readonly arrivals?: Arrivals;
}

export interface Arrivals {
  /** The arrival of each job, since the start. */
  readonly times: readonly number[];
  /** The rate of arrival, in words. */
  readonly rate: string;
}

export interface ModelSizes {
  readonly shuffled: number;
  readonly slow: number;
  readonly quick: number;
  readonly flood: number;
  readonly popular: number;
  readonly loras: number;
  readonly held: number;
}

const SEED = 13;
/** A hundredth of ten seconds. Loading a checkpoint takes as long as eight prompts. */
const PROMPT_MS = 100;
const CHECKPOINT_LOAD_MS = 800;
const LORA_LOAD_MS = 200;
/** The rate of arrival as a part of what the GPUs can do. */
const BUSY_PERCENT = 70;

const FOUR = checkpoints(4);
const two = { gpus: 2, holds: 1, kind: 'checkpoint', loadMs: CHECKPOINT_LOAD_MS, promptMs: PROMPT_MS } as const;

export function modelScenarios({ shuffled, slow, quick, popular, loras, held }: ModelSizes) {
  const [six, twelve, kept] = [names('lora', 6), checkpoints(12), checkpoints(6)];
  return {
    shuffled: { ...two, what: '4 checkpoints, shuffled', files: FOUR, jobs: evenly(FOUR, shuffled, 10) },
    // If models are ignored, three of four jobs load a model.
    slow: arriving(slow, 11, { jobMs: PROMPT_MS + CHECKPOINT_LOAD_MS * 0.75, whose: 'GPUs can do under FIFO' }),
    quick: arriving(quick, 17, { jobMs: PROMPT_MS, whose: 'GPUs can do that load nothing' }),
    popular: {
      ...two,
      what: '12 checkpoints with a popularity of 1/n',
      gpus: 8,
      files: twelve,
      jobs: shuffle(
        twelve.flatMap((file, n) => copies(file, Math.round(popular / (n + 1) / harmonic(twelve.length)))),
        createRandom(SEED, 13),
      ),
    },
    loras: {
      ...two,
      what: '6 LoRAs on one checkpoint',
      kind: 'lora',
      files: six,
      loadMs: LORA_LOAD_MS,
      jobs: evenly(six, loras, 14),
    },
    held: { ...two, what: '6 checkpoints, 3 in memory', holds: 3, files: kept, jobs: evenly(kept, held, 15) },
  } satisfies Record<string, ModelScenario>;
}

/** Jobs of four checkpoints, and a fifth one that only lone jobs need. */
export function floodScenario(jobs: number): ModelScenario & { readonly fifth: string } {
  const files = checkpoints(5);
  const fifth = files.at(-1) ?? '';
  return { ...two, what: 'a lone job of a fifth checkpoint', files, fifth, jobs: evenly(FOUR, jobs, 16) };
}

/** The first name is that in the project's workflows. */
function checkpoints(count: number): string[] {
  return ['sd_xl_base_1.0.safetensors', ...names('checkpoint', count).slice(1)];
}

function names(kind: string, count: number): string[] {
  return Array.from({ length: count }, (_, n) => `${kind}-${n + 1}.safetensors`);
}

function copies(file: string, count: number): string[] {
  return Array.from({ length: count }, () => file);
}

function harmonic(count: number): number {
  return Array.from({ length: count }, (_, n) => 1 / (n + 1)).reduce((sum, part) => sum + part, 0);
}

/** The same number of jobs of each file, shuffled. */
function evenly(files: readonly string[], count: number, stream: number): string[] {
  return shuffle(
    files.flatMap((file) => copies(file, Math.ceil(count / files.length))),
    createRandom(SEED, stream),
  );
}

function shuffle<T>(list: readonly T[], random: Random): T[] {
  return list
    .map((value) => ({ value, at: random.int(0, 2 ** 31) }))
    .sort((a, b) => a.at - b.at)
    .map(({ value }) => value);
}

/** Jobs that arrive at a rate which keeps two GPUs partly busy if each job takes `jobMs`. */
function arriving(
  count: number,
  stream: number,
  { jobMs, whose }: { readonly jobMs: number; readonly whose: string },
): ModelScenario {
  const meanMs = (jobMs / two.gpus / BUSY_PERCENT) * 100;
  return {
    ...two,
    what: `4 checkpoints, ${(1000 / meanMs).toFixed(0)} jobs/s`,
    files: FOUR,
    jobs: evenly(FOUR, count, stream),
    arrivals: { times: arrivalTimes(count, meanMs, stream + 1), rate: `${BUSY_PERCENT} % of what ${whose}` },
  };
}

/** Times of a Poisson process. */
function arrivalTimes(count: number, meanMs: number, stream: number): number[] {
  const random = createRandom(SEED, stream);
  let at = 0;
  return Array.from({ length: count }, () => {
    at -= Math.log(random.int(1, 1e6) / 1e6) * meanMs;
    return at;
  });
}
