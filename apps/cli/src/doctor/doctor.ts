import { parseArgs } from 'node:util';
import { type Config, ConfigError, loadConfig } from '@comfy-fleet/config';
import { createLogger } from '@comfy-fleet/telemetry';
import { type Command, type Surroundings, UsageError } from '../command.js';
import { checksOf } from './checks.js';
import { type Finding, reportOf } from './finding.js';
import { findingsJson, findingText, summaryText } from './print.js';
import { runChecks } from './run-checks.js';

const USAGE = `comfy-fleet doctor [--json]

Checks what the settings name (Redis, ComfyUI, storage, keys, workflows, clocks) and says what is wrong and how to fix it.
It reads the same settings as the services, from the environment and .env, and changes nothing: of the picture that it
stores nothing is left. The exit code is 1 when something does not work.

  --json   writes { ok, findings: [{ check, level, found, mend? }] }`;

/** Checks that a fleet with these settings can work. */
export const doctor: Command = {
  run: async (args, surroundings) => {
    const { json, help } = readOptions(args);
    if (help) {
      surroundings.result(USAGE);
      return 0;
    }
    const findings: Finding[] = [];
    for await (const finding of examine(surroundings)) {
      findings.push(finding);
      if (!json) surroundings.result(findingText(finding));
    }
    const ok = findings.every(({ level }) => level !== 'fail');
    surroundings.result(json ? findingsJson(ok, findings) : summaryText(findings));
    return ok ? 0 : 1;
  },
};

async function* examine({ env, log: stream }: Surroundings): AsyncGenerator<Finding> {
  const { ok, fail } = reportOf('settings');
  let config: Config;
  try {
    config = loadConfig(env);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    for (const fault of error.faults)
      yield fail(fault, 'correct it in the environment or in .env; docs/settings.md lists all settings');
    return;
  }
  yield ok('every setting has a value that it may have');
  // Only what is a fault of our own is worth a line beside the findings.
  const log = createLogger({ service: 'doctor', level: 'error', format: 'json', stream });
  for await (const found of runChecks(checksOf(config, { env, log }))) yield* found;
}

function readOptions(args: readonly string[]): { json: boolean; help: boolean } {
  try {
    const options = { json: { type: 'boolean', default: false }, help: { type: 'boolean', default: false } } as const;
    return parseArgs({ args: [...args], options }).values;
  } catch (error) {
    throw new UsageError(`${error instanceof Error ? error.message : String(error)}\n\n${USAGE}`);
  }
}
