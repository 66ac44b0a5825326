import { type Finding, reportOf } from '../finding.js';

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
