import { readdir, readFile, readlink } from 'node:fs/promises';
import type { InstanceExposure } from '@comfy-fleet/contracts';

interface Exposed {
  readonly url: string;
  /** The version that it reports. */
  readonly version: string | undefined;
  /** Paths on this machine; undefined if it cannot access them. */
  readonly folders: Readonly<Record<'output' | 'input' | 'temp', string | undefined>>;
}

/** Since 0.28 ComfyUI's loaders refuse paths outside their folders (GHSA-779p-m5rp-r4h4). */
const CONFINING = [0, 28] as const;

const SETTINGS = { output: 'COMFYUI_OUTPUT_DIRS', input: 'COMFYUI_INPUT_DIRS', temp: 'COMFYUI_TEMP_DIRS' } as const;

/**
 * What would let a hostile graph on this instance reach more than its own files, if it passed the checks of graphs.
 * Excludes what cannot be known from here, such as the user of a ComfyUI on another machine.
 */
export async function exposuresOf({ url, version, folders }: Exposed): Promise<InstanceExposure[]> {
  const exposures: InstanceExposure[] = [];
  const unseen = (['output', 'input', 'temp'] as const).filter((folder) => folders[folder] === undefined);
  if (unseen.length > 0) {
    exposures.push({
      what: `nobody deletes the files of ended jobs in its folders (${unseen.join(', ')})`,
      fix: `set ${unseen.map((folder) => SETTINGS[folder]).join(', ')} for its worker`,
    });
  }
  if (!isConfining(version)) {
    exposures.push({
      what: `it is ComfyUI ${version ?? 'of unknown version'}, whose loaders may open files outside its folders`,
      fix: `update it to ${CONFINING.join('.')} or newer`,
    });
  }
  if (await runsAsWeDo(url)) {
    exposures.push({
      what: 'it runs as the same user as its worker, whose settings and secrets it can read',
      fix: 'run it as another user',
    });
  }
  return exposures;
}

function isConfining(version: string | undefined): boolean {
  const [major = 0, minor = 0] =
    /^v?(\d+)\.(\d+)/
      .exec(version ?? '')
      ?.slice(1)
      .map(Number) ?? [];
  return major > CONFINING[0] || (major === CONFINING[0] && minor >= CONFINING[1]);
}

const LISTENING = '0A';

/**
 * Whether a process of our user listens there that this process can see. Only works on Linux. In another container of a
 * pod, a process may have the same user id but cannot read our files.
 */
async function runsAsWeDo(url: string): Promise<boolean> {
  const { hostname, port, protocol } = new URL(url);
  if (!/^(127\.[\d.]+|localhost|\[::1\])$/.test(hostname)) return false;
  const wanted = Number(port || (protocol === 'https:' ? 443 : 80));
  const tables = await Promise.all(
    ['/proc/net/tcp', '/proc/net/tcp6'].map((path) => readFile(path, 'utf8').catch(() => '')),
  );
  const sockets = new Set<string>();
  for (const line of tables.flatMap((table) => table.split('\n'))) {
    const [, local = '', , state, , , , uid, , inode] = line.trim().split(/\s+/);
    const at = Number.parseInt(local.split(':').at(-1) ?? '', 16);
    if (state === LISTENING && at === wanted && Number(uid) === process.getuid?.()) sockets.add(`socket:[${inode}]`);
  }
  return sockets.size > 0 && (await isOfVisibleProcess(sockets));
}

async function isOfVisibleProcess(sockets: ReadonlySet<string>): Promise<boolean> {
  const processes = (await readdir('/proc').catch(() => [])).filter((name) => /^\d+$/.test(name));
  for (const id of processes) {
    for (const file of await readdir(`/proc/${id}/fd`).catch(() => [])) {
      if (sockets.has(await readlink(`/proc/${id}/fd/${file}`).catch(() => ''))) return true;
    }
  }
  return false;
}
