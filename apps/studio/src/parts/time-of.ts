/** A moment as people here write it. */
export function timeOf(iso: string): string;
export function timeOf(iso: string | null): string | null;
export function timeOf(iso: string | null): string | null {
  return iso === null ? null : new Date(iso).toLocaleString();
}
