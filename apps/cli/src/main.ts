#!/usr/bin/env node
import { loadEnvFile } from '@comfy-fleet/config';
import { runCommand } from './run-command.js';

loadEnvFile();
process.exitCode = await runCommand(process.argv.slice(2), {
  log: process.stderr,
  result: (text) => process.stdout.write(`${text}\n`),
  say: (text) => process.stderr.write(`${text}\n`),
});
