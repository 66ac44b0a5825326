import { resolve } from 'node:path';
import { ConfigError, readKeysFileSetting } from '@comfy-fleet/config';
import type { ApiKey } from '@comfy-fleet/contracts';
import { CommandError, type CommandIo, type Output, UsageError } from '../command.js';
import { EXIT } from '../exit-codes.js';
import { drawTable } from '../table.js';
import { createKey, type KeyRequest } from './create-key.js';
import { KEY_OPTIONS } from './key-options.js';
import { missingFile, readKeys } from './keys-file.js';
import { type RevokeOptions, revokeKey } from './revoke-key.js';

interface FileOption {
  readonly file?: string;
}

/** Resolves to the exit code, like `create` and `revoke`. */
export function list(options: FileOption, io: CommandIo): Promise<number> {
  return withKeysFile(options, io, (path) => listKeys(path, io));
}

export function create(request: KeyRequest, options: FileOption, io: CommandIo): Promise<number> {
  return withKeysFile(options, io, async (path, setting) => {
    await createKey(request, path, io);
    reportWhenApplied(path, setting, io);
  });
}

export function revoke(id: string, options: FileOption & RevokeOptions, io: CommandIo): Promise<number> {
  return withKeysFile(options, io, async (path, setting) => {
    await revokeKey(id, path, options, io);
    reportWhenApplied(path, setting, io);
  });
}

/** The ids of all keys in the file. */
export async function keyNames(options: FileOption, io: Pick<CommandIo, 'env'>): Promise<readonly string[]> {
  const path = keysFile(options, io);
  return ((path === undefined ? undefined : await readKeys(path)) ?? []).map(({ id }) => id);
}

/** The path of the keys file, from the option or the setting. */
function keysFile({ file }: FileOption, { env }: Pick<CommandIo, 'env'>): string | undefined {
  return file === undefined ? readKeysFileSetting(env) : resolve(file);
}

async function withKeysFile(
  options: FileOption,
  io: CommandIo,
  work: (path: string, setting: string | undefined) => Promise<void>,
): Promise<number> {
  try {
    const path = keysFile(options, io);
    if (path === undefined) {
      throw new UsageError('Name the keys file with --file <path>, or set API_KEYS_FILE (it may be in .env).');
    }
    await work(path, readKeysFileSetting(io.env));
    return EXIT.done;
  } catch (error) {
    throw toReadableError(error);
  }
}

function reportWhenApplied(path: string, setting: string | undefined, { info }: Output): void {
  info(
    setting === path
      ? 'A running API picks up the change within two seconds.'
      : `An API uses this file if it was started with API_KEYS_FILE=${path}, and picks up changes within two seconds.`,
  );
}

/** Turns errors that the user can fix into sentences. */
function toReadableError(error: unknown): unknown {
  if (error instanceof ConfigError) return new CommandError(error.faults.map((fault) => `${fault}.`).join('\n'));
  const { code, message, path } = error as NodeJS.ErrnoException;
  if (code === 'EACCES') return new CommandError(`This user cannot read or change ${path}.`);
  if (code === 'EPERM')
    return new CommandError('The keys file belongs to another user: run this command as that user.');
  if (code === 'EROFS')
    return new CommandError(`The keys cannot be changed here: ${path} is on a read-only file system.`);
  return code === undefined ? error : new CommandError(`The keys file cannot be used: ${message}.`);
}

const DIGEST_SHOWN = 8;
const COLUMNS = ['ID', 'SCOPES', 'CREATED', 'SHA-256', 'OF ITS OWN'].map((head) => ({ head }));

/** Lists the keys in the order of the file, with the beginning of each digest and the number of secrets. */
export async function listKeys(path: string, out: Output): Promise<void> {
  const keys = await readKeys(path);
  if (keys === undefined) throw missingFile(path);
  if (keys.length === 0) {
    out.info(`There are no keys in ${path}: every request is refused.`);
    return;
  }
  const rows = keys.map((key) => cells(key).map((text) => ({ text })));
  for (const line of drawTable(COLUMNS, rows, { width: Number.POSITIVE_INFINITY, isColored: false })) out.result(line);
}

function cells(key: ApiKey): string[] {
  const created = key.created_at ?? '-';
  return [key.id, key.scopes.join(','), created, `${key.sha256.slice(0, DIGEST_SHOWN)}…`, ownSettings(key)];
}

/** What the key has that differs from the settings KEY_…. */
function ownSettings(key: ApiKey): string {
  const own = KEY_OPTIONS.filter(({ field }) => field !== 'scopes').flatMap(({ option, field }) => {
    const value = field.split('.').reduce<unknown>((part, name) => (part as Record<string, unknown>)?.[name], key);
    return value === undefined ? [] : [`${option} ${value}`];
  });
  const secrets = key.webhook?.secrets?.length ?? 0;
  if (secrets > 0) own.push(`${secrets} webhook ${secrets === 1 ? 'secret' : 'secrets'}`);
  return own.length === 0 ? '-' : own.join(', ');
}
