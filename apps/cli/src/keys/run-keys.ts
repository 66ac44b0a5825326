import { resolve } from 'node:path';
import { ConfigError, readKeysFileSetting } from '@comfy-fleet/config';
import type { ApiKey } from '@comfy-fleet/contracts';
import { Obstacle, type Output, type Surroundings, UsageError } from '../command.js';
import { EXIT } from '../exit-codes.js';
import { createKey, type KeyWish } from './create-key.js';
import { KEY_OPTIONS } from './key-options.js';
import { noFile, readKeys } from './keys-file.js';
import { type RevokeOptions, revokeKey } from './revoke-key.js';

interface FileOption {
  readonly file?: string;
}

/** Resolves to the exit code, as the others here. */
export function list(options: FileOption, surroundings: Surroundings): Promise<number> {
  return onFile(options, surroundings, (path) => listKeys(path, surroundings));
}

export function create(wish: KeyWish, options: FileOption, surroundings: Surroundings): Promise<number> {
  return onFile(options, surroundings, async (path, setting) => {
    await createKey(wish, path, surroundings);
    tellWhen(path, setting, surroundings);
  });
}

export function revoke(id: string, options: FileOption & RevokeOptions, surroundings: Surroundings): Promise<number> {
  return onFile(options, surroundings, async (path, setting) => {
    await revokeKey(id, path, options, surroundings);
    tellWhen(path, setting, surroundings);
  });
}

/** The ids of the keys that there are. */
export async function keyNames(
  options: FileOption,
  surroundings: Pick<Surroundings, 'env'>,
): Promise<readonly string[]> {
  const path = keysFile(options, surroundings);
  return ((path === undefined ? undefined : await readKeys(path)) ?? []).map(({ id }) => id);
}

/** Where the keys are, as the option or the setting says. */
function keysFile({ file }: FileOption, { env }: Pick<Surroundings, 'env'>): string | undefined {
  return file === undefined ? readKeysFileSetting(env) : resolve(file);
}

async function onFile(
  options: FileOption,
  surroundings: Surroundings,
  work: (path: string, setting: string | undefined) => Promise<void>,
): Promise<number> {
  try {
    const path = keysFile(options, surroundings);
    if (path === undefined) {
      throw new UsageError('Say where the keys are: --file <path>, or set API_KEYS_FILE (in .env too).');
    }
    await work(path, readKeysFileSetting(surroundings.env));
    return EXIT.done;
  } catch (error) {
    throw readable(error);
  }
}

function tellWhen(path: string, setting: string | undefined, { say }: Output): void {
  say(
    setting === path
      ? 'An api that is running takes it up within two seconds.'
      : `An api uses this file when it is started with API_KEYS_FILE=${path}, and then takes up changes within two seconds.`,
  );
}

/** What a person can fix is said in a sentence. */
function readable(error: unknown): unknown {
  if (error instanceof ConfigError) return new Obstacle(error.faults.map((fault) => `${fault}.`).join('\n'));
  const { code, message, path } = error as NodeJS.ErrnoException;
  if (code === 'EACCES') return new Obstacle(`This user may not read or change ${path}.`);
  if (code === 'EPERM') return new Obstacle('The file of the keys belongs to another user: run this as that user.');
  if (code === 'EROFS') return new Obstacle(`The keys cannot be changed here: ${path} is on a read-only file system.`);
  return code === undefined ? error : new Obstacle(`The file of the keys cannot be used: ${message}.`);
}

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
