import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/**
 * The start time of a process, which distinguishes it from a later one with the same id. Undefined if there is no such process.
 * @param {number} pid
 * @returns {string | undefined}
 */
export function processIdentity(pid) {
  if (process.platform === 'linux') return fromProc(pid);
  return process.platform === 'win32'
    ? printedBy('powershell', ['-NoProfile', '-Command', `(Get-Process -Id ${pid}).StartTime.Ticks`])
    : printedBy('ps', ['-o', 'lstart=', '-p', `${pid}`]);
}

/** @param {number} pid */
function fromProc(pid) {
  try {
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name in parentheses can contain any character. The state (field 3) follows it; the start time is field 22.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' ? undefined : `${boot}:${fields[19]}`;
  } catch {
    return undefined;
  }
}

/**
 * @param {string} command
 * @param {readonly string[]} args
 */
function printedBy(command, args) {
  try {
    return execFileSync(command, args, { encoding: 'utf8', timeout: 5_000, stdio: 'pipe' }).trim() || undefined;
  } catch {
    return undefined;
  }
}
