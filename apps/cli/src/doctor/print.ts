import type { Finding } from './finding.js';

const CHECK_COLUMNS = 18;
const LEVELS = { ok: 'ok  ', warn: 'warn', fail: 'FAIL' } as const;

/** A finding as a line, with another one below it when there is something to do. */
export function findingText({ check, level, found, mend }: Finding): string {
  const line = `${LEVELS[level]}  ${check.padEnd(CHECK_COLUMNS)}  ${found}`;
  return mend === undefined ? line : `${line}\n${''.padEnd(CHECK_COLUMNS + 8)}mend: ${mend}`;
}

/** The last line. */
export function summaryText(findings: readonly Finding[]): string {
  const count = (level: Finding['level']) => findings.filter((finding) => finding.level === level).length;
  return `${count('ok')} ok, ${count('warn')} warnings, ${count('fail')} failed`;
}
