/**
 * Which results of nodes ComfyUI keeps for later prompts, according to its command line. `last`: those of the last prompt
 * only, which is the default (in 0.33 as long as less than 128 GiB of memory are available). `lru`: the last `nodes`
 * results. `ram`: all, as long as this much memory is available.
 */
export type CacheMode =
  | { readonly kind: 'none' | 'last' }
  | { readonly kind: 'lru'; readonly nodes: number }
  | { readonly kind: 'ram'; readonly availableBytes: number };

const GIB = 1024 ** 3;

/** Reads the command line of GET /system_stats. ComfyUI allows only one of these options. */
export function readCacheMode(argv: readonly string[]): CacheMode {
  const options = argv.flatMap((word) => (word.startsWith('--') ? word.split('=', 2) : [word]));
  if (options.includes('--cache-none')) return { kind: 'none' };
  const [nodes = 0] = numbersAfter(options, '--cache-lru');
  if (nodes > 0) return { kind: 'lru', nodes };
  // With one number, the second limit is all of the memory, so that only the last prompt's results stay.
  const [, gib] = numbersAfter(options, '--cache-ram');
  return gib === undefined ? { kind: 'last' } : { kind: 'ram', availableBytes: gib * GIB };
}

function numbersAfter(words: readonly string[], option: string): number[] {
  const start = words.lastIndexOf(option) + 1;
  if (start === 0) return [];
  const values = words.slice(start);
  const end = values.findIndex((word) => word.startsWith('--'));
  return values.slice(0, end < 0 ? undefined : end).map(Number);
}
