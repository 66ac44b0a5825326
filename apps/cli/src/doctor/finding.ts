import { plain } from '../text.js';

/** `warn`: it works, but less well or less safely than it could; `fail`: the fleet does not work like this. */
export type Level = 'ok' | 'warn' | 'fail';

/** One line of the doctor's report. Contains no secrets. */
export interface Finding {
  readonly check: string;
  readonly level: Level;
  /** A sentence. */
  readonly found: string;
  /** What to do about it; absent if all is well. */
  readonly fix?: string;
}

/** Makes findings under the name of one check. */
export interface Report {
  ok(found: string): Finding;
  warn(found: string, fix: string): Finding;
  fail(found: string, fix: string): Finding;
}

export function reportOf(check: string): Report {
  return {
    ok: (found) => ({ check, level: 'ok', found }),
    warn: (found, fix) => ({ check, level: 'warn', found, fix }),
    fail: (found, fix) => ({ check, level: 'fail', found, fix }),
  };
}

const CHECK_COLUMNS = 18;
const LEVELS = { ok: 'ok  ', warn: 'warn', fail: 'FAIL' } as const;

/** A line for the finding, and one below it if there is something to fix. */
export function findingText({ check, level, found, fix }: Finding): string {
  const line = `${LEVELS[level]}  ${check.padEnd(CHECK_COLUMNS)}  ${plain(found)}`;
  return fix === undefined ? line : `${line}\n${''.padEnd(CHECK_COLUMNS + 8)}fix: ${plain(fix)}`;
}

/** The last line. */
export function summaryText(findings: readonly Finding[]): string {
  const count = (level: Finding['level']) => findings.filter((finding) => finding.level === level).length;
  const warnings = count('warn');
  return `${count('ok')} ok, ${warnings} warning${warnings === 1 ? '' : 's'}, ${count('fail')} failed`;
}

/** The report as JSON, in which the fix is named `mend`. */
export function findingsJson(ok: boolean, findings: readonly Finding[]): string {
  return JSON.stringify({ ok, findings: findings.map(({ fix, ...rest }) => ({ ...rest, mend: fix })) }, null, 2);
}

/** Compares another clock with this machine's; deadlines, signatures and delays need both to agree. */
export function clockFinding(
  whose: string,
  offsetMs: number,
  { fineMs, badMs }: { readonly fineMs: number; readonly badMs: number },
): Finding {
  const { ok, warn, fail } = reportOf('clock');
  const off = Math.abs(offsetMs);
  if (off <= fineMs) return ok(`the clock of ${whose} agrees with this machine's`);
  const found = `the clock of ${whose} is ${showSeconds(off)} ${offsetMs > 0 ? 'ahead of' : 'behind'} this machine's`;
  const fix =
    'synchronise both clocks with NTP: timedatectl set-ntp true, or chrony; containers use the clock of their host';
  return off > badMs ? fail(found, fix) : warn(found, fix);
}

function showSeconds(ms: number): string {
  return ms < 120_000 ? `${(ms / 1000).toFixed(1)} s` : `${Math.round(ms / 60_000)} minutes`;
}
