import { resolve } from 'node:path';
import { ConfigError, type Environment, readKeysFileSetting } from '@comfy-fleet/config';
import type { Command, Output } from '../command.js';
import { createKey } from './create-key.js';
import { helpText } from './help.js';
import { KeysProblem, misuse } from './keys-problem.js';
import { listKeys } from './list-keys.js';
import { type KeysCommand, readCommand } from './read-command.js';
import { revokeKey } from './revoke-key.js';

/** The keys with which callers use the API. */
export const keys: Command = {
  run: runKeys,
};

/** Does what the arguments say and resolves to the exit code. */
async function runKeys(args: readonly string[], out: Output & { readonly env?: Environment }): Promise<number> {
  try {
    await run(readCommand(args), out, out.env);
    return 0;
  } catch (error) {
    const [text, code] = explain(error);
    out.say(text);
    return code;
  }
}

async function run(command: KeysCommand, out: Output, env: Environment | undefined): Promise<void> {
  if (command.name === 'help') return out.result(helpText().trimEnd());
  const setting = readKeysFileSetting(env);
  const path = command.file === undefined ? setting : resolve(command.file);
  if (path === undefined) throw misuse('Say where the keys are: --file <path>, or set API_KEYS_FILE (in .env too).');
  switch (command.name) {
    case 'list':
      return listKeys(path, out);
    case 'create':
      await createKey(command, path, out);
      break;
    case 'revoke':
      await revokeKey(command.id, path, out);
  }
  out.say(
    setting === path
      ? 'An api that is running takes it up within two seconds.'
      : `An api uses this file when it is started with API_KEYS_FILE=${path}, and then takes up changes within two seconds.`,
  );
}

/** What a person can fix is said in a sentence, anything else with its stack. */
function explain(error: unknown): [text: string, exitCode: number] {
  if (error instanceof KeysProblem) return [error.message, error.exitCode];
  if (error instanceof ConfigError) return [error.faults.map((fault) => `${fault}.`).join('\n'), 1];
  const { code, message, path, stack } = error as NodeJS.ErrnoException;
  if (code === 'EACCES') return [`This user may not read or change ${path}.`, 1];
  if (code === 'EPERM') return ['The file of the keys belongs to another user: run this as that user.', 1];
  if (code === 'EROFS') return [`The keys cannot be changed here: ${path} is on a read-only file system.`, 1];
  if (code !== undefined) return [`The file of the keys cannot be used: ${message}.`, 1];
  return [stack ?? String(error), 1];
}
