import { readdirSync } from 'node:fs';
import tab from '@bomb.sh/tab/commander';
import type { Command } from 'commander';

/** Words of the help after which the name of a file follows. */
const FILES: ReadonlySet<string> = new Set(['from', 'output', 'image']);

/** Adds `completion <shell>`, which writes the script of a shell, and the hidden command that this script asks. */
export function addCompletion(program: Command): void {
  const root = tab(program, { completionCommandName: 'completion' });
  for (const { options, arguments: words } of root.commands.values()) {
    for (const [name, place] of [...options, ...words]) {
      if (FILES.has(name)) place.handler = completeFiles;
    }
  }
}

/** The files of this folder: the scripts leave no completion to the shell. */
function completeFiles(complete: (value: string, description: string) => void): void {
  for (const entry of readdirSync('.', { withFileTypes: true })) {
    complete(entry.isDirectory() ? `${entry.name}/` : entry.name, '');
  }
}
