import type { Model, ModelCopy, ModelFolder, ModelList } from '@comfy-fleet/client';
import { bytes, count, duration, list, percent, since } from '../parts/format.js';

/** What can be told of all models in one or two sentences. */
export function sentenceOf({ data, folders }: ModelList): string {
  const fetching = data.filter(({ copies }) => copies.some(({ state }) => state === 'fetching')).length;
  const failing = data.filter(isFailing).length;
  const waiting = data.filter(({ jobs_waiting: jobs, copies }) => jobs > 0 && !copies.some(isReady)).length;
  const parts = [
    ...(fetching === 0 ? [] : [`${count(fetching, 'is', 'are')} being fetched`]),
    ...(failing === 0 ? [] : [`${count(failing, 'cannot be', 'cannot be')} fetched`]),
    ...(waiting === 0 ? [] : [`jobs wait for ${waiting.toLocaleString('en')}`]),
  ];
  const used = folders.reduce((sum, { used_bytes: all }) => sum + all, 0);
  const disk = folders.length === 0 ? '' : ` ${bytes(used)} of ${bytes(sizeOf(folders))} of disk are used.`;
  return `${count(data.length, 'model')}${parts.length === 0 ? '' : `: ${list(parts)}`}.${disk}`;
}

function sizeOf(folders: readonly ModelFolder[]): number {
  return folders.reduce((sum, { max_bytes: most }) => sum + most, 0);
}

function isReady({ state }: ModelCopy): boolean {
  return state === 'ready';
}

/** No worker has it, and a fetch has failed. */
function isFailing({ copies }: Model): boolean {
  return copies.some(({ state }) => state === 'failed') && !copies.some(isReady);
}

/** Only operators see the workers; others see the instances that use the folder. */
export function placeOf({ worker, instances }: ModelCopy): string {
  return worker ?? (list(instances) || 'a worker');
}

/** `42 %, about 3 min left` */
export function progressOf({ bytes: whole, fetched, eta_seconds: left }: ModelCopy): string {
  const done = whole === 0 ? 'begins' : `${percent(Math.floor((fetched / whole) * 100) / 100)} of ${bytes(whole)}`;
  return left === null ? done : `${done}, about ${duration(left)} left`;
}

/** `verified 3 h ago, was there before the fleet` */
export function factsOf({ state, verified_at: verified, is_ours: isOurs }: ModelCopy, now: number): string {
  if (state === 'evicting') return 'is being deleted to make room';
  const facts = [
    ...(verified === null ? [] : [`verified ${since(verified, now)} ago`]),
    ...(isOurs ? [] : ['was there before and is never deleted']),
  ];
  return facts.join(', ');
}

export function usedText({ used_at: at }: Model, now: number): string {
  return at === null ? 'not used yet' : `used ${since(at, now)} ago`;
}

/** Who may use it; empty if everybody may. */
export function rightsText({ keys, by_url: isByUrl }: Model): string {
  if (isByUrl) return `named by a URL${keys == null ? '' : ` of ${list(keys)}`}`;
  if (keys == null) return '';
  return keys.length === 0 ? 'no key may use it' : `only for ${list(keys)}`;
}

/** The parts of a text between commas or line breaks. */
export function wordsOf(text: string): string[] {
  return text
    .split(/[\n,]/)
    .map((word) => word.trim())
    .filter((word) => word !== '');
}
