import { readdirSync, statSync } from 'node:fs';
import { extname, join } from 'node:path';

/** Folders that ComfyUI reads as well, under their old names. */
const OLD_NAMES: Readonly<Record<string, string>> = { diffusion_models: 'unet', text_encoders: 'clip' };
const EXTENSIONS = ['.ckpt', '.pt', '.pt2', '.bin', '.pth', '.safetensors', '.pkl', '.sft'];

interface Listed {
  readonly files: readonly string[];
  /** When these folders were changed last. */
  readonly changedAt: ReadonlyMap<string, number>;
}

/**
 * The files in a models folder. As in ComfyUI, a list is read again when the time of its folder, or of a folder in it,
 * has changed.
 */
export class ModelsFolder {
  readonly dir: string;
  private readonly listed = new Map<string, Listed>();

  constructor(dir: string) {
    this.dir = dir;
  }

  /** The model files of a kind, such as `loras`. */
  list(kind: string): readonly string[] {
    const known = this.listed.get(kind);
    const roots = [kind, OLD_NAMES[kind] ?? kind].map((name) => join(this.dir, name));
    const isKnown = known !== undefined && [...known.changedAt].every(([folder, at]) => timeOf(folder) === at);
    if (isKnown && roots.every((root) => known.changedAt.has(root) || timeOf(root) === undefined)) return known.files;
    const changedAt = new Map<string, number>();
    const files = new Set(roots.flatMap((root) => filesBelow(root, '', changedAt)));
    this.listed.set(kind, { files: [...files].sort(), changedAt });
    return this.list(kind);
  }

  /** Whether the file is on the disk, whatever was listed. */
  has(kind: string, name: string): boolean {
    const folders = [kind, OLD_NAMES[kind] ?? kind];
    return folders.some((folder) => statSync(join(this.dir, folder, name), { throwIfNoEntry: false })?.isFile());
  }
}

function timeOf(folder: string): number | undefined {
  return statSync(folder, { throwIfNoEntry: false })?.mtimeMs;
}

function filesBelow(folder: string, prefix: string, changedAt: Map<string, number>): string[] {
  const at = timeOf(folder);
  if (at === undefined) return [];
  changedAt.set(folder, at);
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (statSync(path, { throwIfNoEntry: false })?.isDirectory()) {
      return entry.name === '.git' ? [] : filesBelow(path, `${prefix}${entry.name}/`, changedAt);
    }
    return EXTENSIONS.includes(extname(entry.name).toLowerCase()) ? [prefix + entry.name] : [];
  });
}
