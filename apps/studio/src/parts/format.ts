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

/** `27 Nov` for a day as the API writes it (UTC). */
export function shortDay(day: string): string {
  return new Date(`${day}T00:00:00Z`).toLocaleDateString('en-GB', { day: 'numeric', month: 'short', timeZone: 'UTC' });
}

export function formatNumber(number: number): string {
  return number.toLocaleString('en');
}

function rounded(number: number): string {
  const digits = Math.abs(number) < 100 ? 1 : 0;
  return Number(number.toFixed(digits)).toLocaleString('en');
}

/** A date and time in the browser's locale. */
export function timeOf(iso: string): string;
export function timeOf(iso: string | null): string | null;
export function timeOf(iso: string | null): string | null {
  return iso === null ? null : new Date(iso).toLocaleString();
}

/** `1 job`, `3 jobs` */
export function count(number: number, one: string, many = `${one}s`): string {
  return `${number.toLocaleString('en')} ${number === 1 ? one : many}`;
}

/** `4.2 s`, `45 s`, `3 min`, `2 h`, `3 days` */
export function duration(seconds: number): string {
  const whole = Math.max(0, seconds);
  if (whole < 10) return `${Math.round(whole * 10) / 10} s`;
  if (whole < 90) return `${Math.round(whole)} s`;
  if (whole < 5400) return `${Math.round(whole / 60)} min`;
  if (whole < 172_800) return `${Math.round(whole / 3600)} h`;
  return `${Math.round(whole / 86_400)} days`;
}

/** The duration from `iso` to `now` (ms since 1970). */
export function since(iso: string, now: number): string {
  return duration((now - Date.parse(iso)) / 1000);
}

/** 0.253 is `25 %`. */
export function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}

/** `14:03:27`, local time. */
export function clock(at: number | string): string {
  return new Date(at).toLocaleTimeString('en-GB');
}

/** The file's name without its folders and extension: `xl/base_1.0.safetensors` is `base_1.0`. */
export function modelName(file: string): string {
  const name = file.split(/[/\\]/).at(-1) ?? file;
  return name.replace(/\.(safetensors|ckpt|pt|pth|bin|gguf|sft)$/i, '');
}

/** `a`, `a and b`, `a, b and c` */
export function list(names: readonly string[]): string {
  if (names.length < 2) return names.join('');
  return `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`;
}
