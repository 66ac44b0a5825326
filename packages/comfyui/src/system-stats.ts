import { type CacheMode, readCacheMode } from './cache-mode.js';
import { isObject, listOr, numberOr, objectOr, textOr } from './json.js';

/** What GET /system_stats reports, for people; sizes in bytes. */
export interface SystemStats {
  /** ComfyUI's version. Never decide by it how to talk to ComfyUI. */
  readonly version: string | undefined;
  readonly pytorchVersion: string | undefined;
  readonly ramTotal: number | undefined;
  readonly ramFree: number | undefined;
  readonly cacheMode: CacheMode;
  readonly devices: readonly {
    readonly name: string;
    /** `cuda`, `cpu`, `mps`, … */
    readonly type: string;
    readonly vramTotal: number | undefined;
    readonly vramFree: number | undefined;
    readonly torchVramTotal: number | undefined;
    readonly torchVramFree: number | undefined;
  }[];
}

/** Reads GET /system_stats; undefined if it has another shape. */
export function readSystemStats(value: unknown): SystemStats | undefined {
  if (!isObject(value) || !isObject(value.system) || !Array.isArray(value.devices)) return undefined;
  const { system, devices } = value;
  return {
    version: textOr(system.comfyui_version),
    pytorchVersion: textOr(system.pytorch_version),
    ramTotal: numberOr(system.ram_total),
    ramFree: numberOr(system.ram_free),
    cacheMode: readCacheMode(listOr(system.argv).map(String)),
    devices: listOr(devices).map((entry) => {
      const { name, type, vram_total, vram_free, torch_vram_total, torch_vram_free } = objectOr(entry);
      return {
        name: textOr(name) ?? '',
        type: textOr(type) ?? '',
        vramTotal: numberOr(vram_total),
        vramFree: numberOr(vram_free),
        torchVramTotal: numberOr(torch_vram_total),
        torchVramFree: numberOr(torch_vram_free),
      };
    }),
  };
}
