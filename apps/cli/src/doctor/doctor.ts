import { type Config, ConfigError, loadConfig, misspeltSettings } from '@comfy-fleet/config';
import { createLogger } from '@comfy-fleet/telemetry';
import type { CommandIo } from '../command.js';
import { EXIT } from '../exit-codes.js';
import { checksOf, runChecks } from './checks.js';
import { type Finding, findingsJson, findingText, reportOf, summaryText } from './finding.js';

/** Checks whether a fleet with these settings works. Resolves to the exit code. */
export async function runDoctor(json: boolean, io: CommandIo): Promise<number> {
  const findings: Finding[] = [];
  for await (const finding of examine(io)) {
    findings.push(finding);
    if (!json) io.result(findingText(finding));
  }
  const ok = findings.every(({ level }) => level !== 'fail');
  io.result(json ? findingsJson(ok, findings) : summaryText(findings));
  return ok ? EXIT.done : EXIT.fault;
}

async function* examine({ env, log: stream }: CommandIo): AsyncGenerator<Finding> {
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
  yield ok('every setting has a valid value');
  for (const found of misspeltSettings(env))
    yield warn(found, 'correct or remove it; docs/settings.md lists all settings');
  // Log only our own errors; everything else is a finding.
  const log = createLogger({ service: 'doctor', level: 'error', format: 'json', stream });
  for await (const found of runChecks(checksOf(config, { env, log }))) yield* found;
}
