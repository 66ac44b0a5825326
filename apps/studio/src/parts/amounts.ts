/** GPU time for people: `12.3 s`, `8 min`, `3.2 h`. */
export function gpuTime(seconds: number): string {
  if (seconds < 60) return `${rounded(seconds)} s`;
  if (seconds < 3600) return `${rounded(seconds / 60)} min`;
  return `${rounded(seconds / 3600)} h`;
}

/** Bytes for people: `640 kB`, `1.2 GB`. */
export function bytes(count: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  const at = count === 0 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(count) / 3));
  return `${rounded(count / 1000 ** at)} ${units[at]}`;
}

/** `27 Nov`, of a day as the API writes it (UTC). */
export function shortDay(day: string): string {
  return new Date(`${day}T00:00:00Z`).toLocaleDateString('en-GB', { day: 'numeric', month: 'short', timeZone: 'UTC' });
}

export function count(number: number): string {
  return number.toLocaleString('en');
}

/** 0.253 is `25 %`. */
export function percent(share: number): string {
  return `${rounded(share * 100)} %`;
}

function rounded(number: number): string {
  const digits = Math.abs(number) < 100 ? 1 : 0;
  return Number(number.toFixed(digits)).toLocaleString('en');
}
