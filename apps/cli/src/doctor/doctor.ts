import { type Config, ConfigError, loadConfig, misspeltSettings } from '@comfy-fleet/config';
import { createLogger } from '@comfy-fleet/telemetry';
import type { Surroundings } from '../command.js';
import { EXIT } from '../exit-codes.js';
import { checksOf, runChecks } from './checks.js';
import { type Finding, findingsJson, findingText, reportOf, summaryText } from './finding.js';

/** Checks that a fleet with these settings can work. Resolves to the exit code. */
export async function runDoctor(json: boolean, surroundings: Surroundings): Promise<number> {
  const findings: Finding[] = [];
  for await (const finding of examine(surroundings)) {
    findings.push(finding);
    if (!json) surroundings.result(findingText(finding));
  }
  const ok = findings.every(({ level }) => level !== 'fail');
  surroundings.result(json ? findingsJson(ok, findings) : summaryText(findings));
  return ok ? EXIT.done : EXIT.fault;
}

async function* examine({ env, log: stream }: Surroundings): AsyncGenerator<Finding> {
  const { ok, warn, fail } = reportOf('settings');
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
  for (const found of misspeltSettings(env))
    yield warn(found, 'correct or remove it; docs/settings.md lists all settings');
  // Only what is a fault of our own is worth a line beside the findings.
  const log = createLogger({ service: 'doctor', level: 'error', format: 'json', stream });
  for await (const found of runChecks(checksOf(config, { env, log }))) yield* found;
}
