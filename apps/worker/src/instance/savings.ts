import type { CacheMode } from '@comfy-fleet/comfyui';
import type { EncodeAheadOff, EncodeAhead as Verdict } from '@comfy-fleet/contracts';
import { LRUCache } from 'lru-cache';

/**
 * Knows for which workflows it pays to encode the texts of waiting jobs ahead on one instance. It compares how long a
 * prompt with a new text takes to the end of its first sampler step with how long one takes whose texts are in
 * ComfyUI's cache. Prompts that load models are ignored.
 */
export interface EncodeAhead {
  /** `trial`: new texts take long, and how long cached ones take is unknown. Up to two hints are sent to learn that. */
  of(version: string): Verdict;
  /** What operators see: the verdict on the version with the largest saving, or the most telling reason against it. */
  readonly state: Verdict;
  /** Whether first stages of sampling run ahead, however long texts take. */
  readonly samples: boolean;
  /** How many results of nodes the instance keeps beyond the next prompt; 0: none. */
  readonly mostNodes: number;
  /** A prompt of this version succeeded. */
  learn(version: string, seen: SeenTexts): void;
  /** A hint for several jobs of this version took so long for each of them. */
  hintTook(version: string, msPerJob: number): void;
  /** The instance was restarted. */
  forget(): void;
}

/** What was observed of a prompt that loaded no model, in ms from its beginning. */
export interface SeenTexts {
  /** Whether an encoder was executed, or all texts were cached. */
  readonly encoded: boolean;
  /** The end of the first sampler step. */
  readonly firstStepMs: number;
  readonly endMs: number;
}

export interface EncodeAheadRules {
  readonly mode: 'on' | 'off' | 'sampling';
  /** Smaller savings per job are not worth a hint. */
  readonly leastSavedMs: number;
}

interface Options extends EncodeAheadRules {
  /** Undefined while unknown. */
  readonly cacheMode: () => CacheMode | undefined;
  /** Available memory of the machine in bytes. */
  readonly availableBytes: () => number;
  readonly hasClass: (className: string) => boolean;
}

/** Versions in memory; an instance runs few at a time. */
const MOST_VERSIONS = 100;
/** How many of the latest times are kept. Their median decides. */
const MOST_TIMES = 5;
/** A single time tells too little: the first prompt after a hint still moves its model back to the GPU. */
const LEAST_TIMES = 2;
/** Smaller savings, as a fraction of a prompt, are not worth a hint. */
const LEAST_SAVED_SHARE = 0.05;
/** Ends the subgraphs of a hint, because ComfyUI executes only what an output node needs. */
const OUTPUT_CLASS = 'PreviewAny';

const WHY: Readonly<Record<EncodeAheadOff, string>> = {
  setting: 'ENCODE_AHEAD is off',
  cache_mode: 'ComfyUI keeps too few results: start it with --cache-ram 4 4 (0.33 or newer) or --cache-lru 64',
  no_preview_any: `ComfyUI lacks the node ${OUTPUT_CLASS}: update it`,
  no_effect: 'ComfyUI encoded texts again that it had encoded ahead',
  fits: 'new texts take hardly longer than cached ones',
  unknown: 'too few prompts were observed yet',
};
const RAM_IS_LOW = 'less memory is available than the second number of --cache-ram names';
/** If versions are off for different reasons, the first of these is shown. */
const MOST_TELLING = Object.keys(WHY);

/** Times in ms, the latest last. */
type Times = Record<'new' | 'cached' | 'prompt' | 'hint', readonly number[]>;

const NONE: Times = { new: [], cached: [], prompt: [], hint: [] };

export function createEncodeAhead({ mode, leastSavedMs, cacheMode, availableBytes, hasClass }: Options): EncodeAhead {
  const known = new LRUCache<string, Times>({ max: MOST_VERSIONS });

  const add = (version: string, kind: keyof Times, ms: number) => {
    const times = known.get(version) ?? NONE;
    known.set(version, { ...times, [kind]: [...times[kind], ms].slice(-MOST_TIMES) });
  };
  const mostNodes = () => {
    const cache = cacheMode();
    if (cache?.kind === 'lru') return cache.nodes;
    return cache?.kind === 'ram' && availableBytes() >= cache.availableBytes ? Number.POSITIVE_INFINITY : 0;
  };
  const judge = (times: Times): Verdict => {
    const saved = judgeTimes(times, leastSavedMs);
    if (mode === 'off') return off('setting');
    if (saved === 'fits') return off('fits');
    if (cacheMode() === undefined) return off('unknown');
    if (mostNodes() === 0) return off('cache_mode', cacheMode()?.kind === 'ram' ? RAM_IS_LOW : undefined);
    if (!hasClass(OUTPUT_CLASS)) return off('no_preview_any');
    if (saved === 'unknown' || saved === 'no_effect') return off(saved);
    if (saved === 'trial') return { state: 'trial', text: 'the next jobs will show what it saves' };
    return { state: 'on', savesMs: Math.round(saved), text: `saves ${(saved / 1000).toFixed(1)} s per job` };
  };

  return {
    of: (version) => judge(known.get(version) ?? NONE),
    get state() {
      const verdicts = [NONE, ...known.values()].map(judge);
      return verdicts.reduce((best, verdict) => (rank(verdict) < rank(best) ? verdict : best));
    },
    get samples() {
      return mode === 'sampling' && mostNodes() > 0 && hasClass(OUTPUT_CLASS);
    },
    get mostNodes() {
      return mostNodes();
    },
    learn: (version, { encoded, firstStepMs, endMs }) => {
      add(version, encoded ? 'new' : 'cached', firstStepMs);
      add(version, 'prompt', endMs);
    },
    hintTook: (version, msPerJob) => add(version, 'hint', msPerJob),
    forget: () => known.clear(),
  };
}

function off(why: EncodeAheadOff, text = WHY[why]): Verdict {
  return { state: 'off', why, text };
}

function rank(verdict: Verdict): number {
  if (verdict.state === 'on') return -1 - verdict.savesMs;
  return verdict.state === 'off' ? 1 + MOST_TELLING.indexOf(verdict.why) : 0;
}

/** How much a hint saves per job, in ms, if it is worth it. */
function judgeTimes(times: Times, leastMs: number): number | 'trial' | 'no_effect' | 'fits' | 'unknown' {
  if (times.new.length < LEAST_TIMES) return 'unknown';
  const least = Math.max(leastMs, LEAST_SAVED_SHARE * median(times.prompt));
  const isKnown = times.cached.length >= LEAST_TIMES;
  const saved = median(times.new) - (isKnown ? median(times.cached) + median(times.hint) : 0);
  if (saved < least) return 'fits';
  if (isKnown) return saved;
  return times.hint.length < LEAST_TIMES ? 'trial' : 'no_effect';
}

/** 0 for no times; of two in the middle, the smaller one. */
function median(times: readonly number[]): number {
  return [...times].sort((a, b) => a - b)[Math.floor((times.length - 1) / 2)] ?? 0;
}
