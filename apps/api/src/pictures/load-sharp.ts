import type sharp from 'sharp';

/** With the first picture that is decoded: to load its native library takes a process a quarter of its start. */
export async function loadSharp(): Promise<typeof sharp> {
  return (await import('sharp')).default;
}
