#!/usr/bin/env node
import { loadEnvFile } from '@comfy-fleet/config';
import { interruption } from './interruption.js';
import { runCommand } from './run-command.js';

loadEnvFile();
// Whoever read the results has gone, as `head` does.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit();
  throw error;
});
process.exitCode = await runCommand(process.argv.slice(2), {
  log: process.stderr,
  result: (text) => process.stdout.write(`${text}\n`),
  say: (text) => process.stderr.write(`${text}\n`),
  ...(process.stdout.isTTY ? { terminal: process.stdout } : {}),
  ...(process.stdin.isTTY ? { keyboard: process.stdin } : {}),
  interrupted: interruption,
});
