import type { Model, ModelCopy, ModelList } from '@comfy-fleet/client';
import type { Terminal } from '../command.js';
import { type Cell, type Column, drawingFor, drawTable } from '../table.js';
import { duration, plain, showBytes } from '../text.js';

const COLUMNS: readonly Column[] = [
  { head: 'model', least: 24 },
  { head: 'size', isNumber: true, spare: 2 },
  { head: 'where', least: 16 },
  { head: 'waiting', isNumber: true, spare: 1 },
  { head: 'used', spare: 3 },
  { head: 'for', spare: 4 },
];

/** A line for each model, and for admins one for each folder. */
export function modelsTable({ data, folders }: ModelList, terminal: Terminal): string {
  const rows = data.map((model): readonly Cell[] => [
    { text: `${model.kind}/${model.name}` },
    { text: sizeOf(model) },
    whereCell(model.copies),
    { text: model.jobs_waiting === 0 ? '' : `${model.jobs_waiting}` },
    { text: ago(model.used_at), tone: 'dim' },
    { text: model.keys === undefined || model.keys === null ? '' : model.keys.join(', '), tone: 'dim' },
  ]);
  const spaces = folders.map(({ worker, used_bytes: used, max_bytes: most }) => [
    { text: worker },
    { text: `${showBytes(used)} of ${showBytes(most)} for models` },
  ]);
  return [
    ...drawTable(COLUMNS, rows, drawingFor(terminal)),
    ...(spaces.length === 0 ? [] : ['', ...drawTable([{}, {}], spaces, drawingFor(terminal))]),
  ].join('\n');
}

function whereCell(copies: readonly ModelCopy[]): Cell {
  const failed = copies.find(({ state }) => state === 'failed');
  const text = copies
    .map((copy) => (copy.state === 'ready' ? placeOf(copy) : `${placeOf(copy)} ${stateOf(copy)}`))
    .join(', ');
  return text === ''
    ? { text: 'nowhere yet', tone: 'dim' }
    : { text, ...(failed === undefined ? {} : { tone: 'bad' }) };
}

/** All that is known of a model. */
export function modelText(model: Model): string {
  const { sources, keys, pinned_in: pinned, sha256, copies, jobs_waiting: waiting } = model;
  const facts: readonly (readonly [string, string | undefined])[] = [
    ['size', sizeOf(model) || 'not known before the first fetch'],
    ['sha256', sha256 ?? 'not known before the first fetch'],
    ['sources', sources?.join(', ')],
    ['keys', keys === undefined ? undefined : (keys?.join(', ') ?? 'all')],
    ['pinned in', pinned === undefined || pinned.length === 0 ? undefined : pinned.join(', ')],
    ['used', ago(model.used_at) || 'never'],
    ['waiting', waiting === 1 ? '1 job' : `${waiting} jobs`],
    ...copies.map((copy) => [placeOf(copy), copyText(copy)] as const),
    ...(copies.length === 0 ? [['copies', 'none yet'] as const] : []),
  ];
  const shown = facts.filter((fact): fact is readonly [string, string] => fact[1] !== undefined);
  const width = Math.max(...shown.map(([name]) => name.length));
  return [`${model.kind}/${model.name}`, ...shown.map(([name, text]) => `  ${name.padEnd(width)}  ${text}`)]
    .map(plain)
    .join('\n');
}

/** Only operators see the workers. */
export function placeOf({ worker, instances }: ModelCopy): string {
  return worker ?? (instances.join(', ') || 'a worker');
}

function copyText(copy: ModelCopy): string {
  const { worker, instances, verified_at: verified, is_ours: isOurs, error } = copy;
  if (error !== null) return `${stateOf(copy)}: ${error.detail}`;
  const parts = [
    stateOf(copy),
    ...(worker === undefined || instances.length === 0 ? [] : [`for ${instances.join(', ')}`]),
    ...(isOurs || copy.state !== 'ready' ? [] : ['was there before, and is never deleted']),
    ...(verified === null ? [] : [`verified ${ago(verified)}`]),
  ];
  return parts.join(' · ');
}

/** `ready`, `fetching 42 %` */
function stateOf({ state, bytes, fetched }: ModelCopy): string {
  return state === 'fetching' && bytes > 0 ? `fetching ${Math.floor((fetched / bytes) * 100)} %` : state;
}

function sizeOf({ bytes }: Model): string {
  return bytes === null ? '' : showBytes(bytes);
}

function ago(iso: string | null): string {
  return iso === null ? '' : `${duration((Date.now() - Date.parse(iso)) / 1000)} ago`;
}
