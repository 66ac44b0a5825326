import { Readable } from 'node:stream';

/** Stores the large texts of orders for ledgers of this process only. */
export function filesInMemory() {
  const files = new Map<string, Buffer>();
  return {
    files,
    put: async (name: string, source: Iterable<Uint8Array>) => {
      files.set(name, Buffer.concat([...source]));
    },
    open: async (name: string) => {
      const file = files.get(name);
      return file && Readable.from([file]);
    },
  };
}
