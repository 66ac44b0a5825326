import { plain } from '../plain.js';
import type { Finding } from './finding.js';

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
