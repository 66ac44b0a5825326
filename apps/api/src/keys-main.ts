import { loadEnvFile } from '@comfy-fleet/config';
import { runKeys } from './keys/run-keys.js';

loadEnvFile();
process.exitCode = await runKeys(process.argv.slice(2), {
  result: (text) => process.stdout.write(`${text}\n`),
  say: (text) => process.stderr.write(`${text}\n`),
});
