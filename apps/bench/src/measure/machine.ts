import { cpus, freemem, loadavg, totalmem } from 'node:os';

const GIB = 1024 ** 3;

/** What the numbers depend on, in one line. */
export function machine(): string {
  const [first] = cpus();
  const memory = `${(freemem() / GIB).toFixed(1)} of ${(totalmem() / GIB).toFixed(1)} GiB free`;
  const { arch, platform, version } = process;
  return `Node ${version} on ${platform} ${arch}, ${cpus().length} × ${first?.model.trim()}, ${memory}`;
}

/** How busy the machine is, with everything that runs on it. */
export function load(): string {
  return `load ${(loadavg()[0] ?? 0).toFixed(2)}`;
}
