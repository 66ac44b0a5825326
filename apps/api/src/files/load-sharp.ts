import type sharp from 'sharp';

/** With the first picture that is decoded: to load its native library takes a process a quarter of its start. */
export async function loadSharp(): Promise<typeof sharp> {
  const { default: loaded } = await import('sharp');
  // Otherwise libvips keeps its last 100 decoders, and that of a progressive JPEG holds the whole unpacked picture.
  loaded.cache(false);
  return loaded;
}
