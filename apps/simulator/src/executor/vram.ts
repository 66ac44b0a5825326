/** The models in a device's memory. A model that does not fit beside the others displaces the least recently used. */
export class Vram {
  /** The size in bytes of each model file in memory; the least recently used file comes first. */
  private readonly resident = new Map<string, number>();

  /** Makes the files resident together, and returns those that had to be moved into the memory. */
  use(files: readonly string[], { vramBytes, modelBytes }: VramLimits): string[] {
    const moved = files.filter((file) => (modelBytes[file] ?? 0) > 0 && !this.resident.has(file));
    for (const file of files) {
      this.resident.delete(file);
      this.resident.set(file, modelBytes[file] ?? 0);
    }
    for (const file of this.resident.keys()) {
      if (this.usedBytes <= vramBytes || files.includes(file)) break;
      this.resident.delete(file);
    }
    return moved;
  }

  clear(): void {
    this.resident.clear();
  }

  private get usedBytes(): number {
    return [...this.resident.values()].reduce((sum, bytes) => sum + bytes, 0);
  }
}

export interface VramLimits {
  readonly vramBytes: number;
  readonly modelBytes: Readonly<Record<string, number>>;
}
