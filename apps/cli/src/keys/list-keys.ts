import type { ApiKey } from '@comfy-fleet/contracts';
import type { Output } from '../command.js';
import { KEY_OPTIONS } from './key-options.js';
import { readKeys } from './keys-file.js';
import { noFile } from './no-file.js';

const DIGEST_SHOWN = 8;
const HEADS = ['ID', 'SCOPES', 'CREATED', 'SHA-256', 'OF ITS OWN'] as const;

/** One line for each key, in the order of the file. Of a digest only the beginning is shown, of secrets the number. */
export async function listKeys(path: string, out: Output): Promise<void> {
  const keys = await readKeys(path);
  if (keys === undefined) throw noFile(path);
  if (keys.length === 0) {
    out.say(`There are no keys in ${path}: every request is refused.`);
    return;
  }
  const rows = [HEADS, ...keys.map(cells)];
  const widths = HEADS.map((_head, column) => Math.max(...rows.map((row) => (row[column] ?? '').length)));
  for (const row of rows)
    out.result(
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    );
}

function cells(key: ApiKey): string[] {
  const created = key.created_at ?? '-';
  return [key.id, key.scopes.join(','), created, `${key.sha256.slice(0, DIGEST_SHOWN)}…`, ownSettings(key)];
}

/** What differs from the settings KEY_… */
function ownSettings(key: ApiKey): string {
  const own = KEY_OPTIONS.filter(({ field }) => field !== 'scopes').flatMap(({ option, field }) => {
    const value = field.split('.').reduce<unknown>((part, name) => (part as Record<string, unknown>)?.[name], key);
    return value === undefined ? [] : [value === true ? option : `${option} ${value}`];
  });
  const secrets = key.webhook?.secrets?.length ?? 0;
  if (secrets > 0) own.push(`${secrets} webhook ${secrets === 1 ? 'secret' : 'secrets'}`);
  return own.length === 0 ? '-' : own.join(', ');
}
