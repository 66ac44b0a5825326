import { plain } from '../text.js';

/** `ok`; `warn`: it works, but not as well or as safely as it could; `fail`: the fleet does not work so. */
export type Level = 'ok' | 'warn' | 'fail';

/** One line of the doctor's report. Holds no secret. */
export interface Finding {
  readonly check: string;
  readonly level: Level;
  /** What was found, in a sentence. */
  readonly found: string;
  /** What to do about it; absent when all is well. */
  readonly fix?: string;
}

/** The findings of one check, which all have its name. */
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

/** A finding as a line, with another one below it when there is something to do. */
export function findingText({ check, level, found, fix }: Finding): string {
  const line = `${LEVELS[level]}  ${check.padEnd(CHECK_COLUMNS)}  ${plain(found)}`;
  return fix === undefined ? line : `${line}\n${''.padEnd(CHECK_COLUMNS + 8)}fix: ${plain(fix)}`;
}

/** The last line. */
export function summaryText(findings: readonly Finding[]): string {
  const count = (level: Finding['level']) => findings.filter((finding) => finding.level === level).length;
  return `${count('ok')} ok, ${count('warn')} warnings, ${count('fail')} failed`;
}

/** The report for programs. They know the fix as `mend`. */
export function findingsJson(ok: boolean, findings: readonly Finding[]): string {
  return JSON.stringify({ ok, findings: findings.map(({ fix, ...rest }) => ({ ...rest, mend: fix })) }, null, 2);
}

/** How far a clock is from this machine's, whose deadlines, signatures and delays meet there. */
export function clockFinding(
  whose: string,
  offsetMs: number,
  { fineMs, badMs }: { readonly fineMs: number; readonly badMs: number },
): Finding {
  const { ok, warn, fail } = reportOf('clock');
  const off = Math.abs(offsetMs);
  if (off <= fineMs) return ok(`that of ${whose} agrees with this machine's`);
  const found = `that of ${whose} is ${showSeconds(off)} ${offsetMs > 0 ? 'ahead of' : 'behind'} this machine's`;
  const fix = 'set both by NTP: timedatectl set-ntp true, or chrony; containers have the clock of their host';
  return off > badMs ? fail(found, fix) : warn(found, fix);
}

function showSeconds(ms: number): string {
  return ms < 120_000 ? `${(ms / 1000).toFixed(1)} s` : `${Math.round(ms / 60_000)} minutes`;
}
