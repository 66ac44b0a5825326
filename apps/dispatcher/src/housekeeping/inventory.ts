import { type FrameStores, inputDigest, isInputName, jobOfPicture, type StoredFrame } from '@comfy-fleet/frames';
import { type Housekeeper, LEAST_FILE_BYTES } from '@comfy-fleet/jobs';

/** Files whose senders are looked up in one round trip. */
const PAGE = 500;

/** The stores of all files. */
export type Stores = Pick<FrameStores, 'frames' | 'inputs' | 'derived'>;

/** The pictures of one job. `modifiedAt` is that of the newest picture, in ms since 1970. */
export interface JobPictures {
  readonly kind: 'job';
  readonly id: string;
  /** The API key of the job; empty if its record is gone. */
  keys: readonly string[];
  /** What the names of its pictures have after its id. */
  readonly frames: string[];
  readonly derived: string[];
  bytes: number;
  modifiedAt: number;
}

export interface InputFile {
  readonly kind: 'input';
  readonly name: string;
  /** The API keys that sent it. */
  readonly keys: readonly string[];
  /** The last key that had it has deleted it. */
  readonly isUnowned: boolean;
  /** When the most recent of these keys first sent the file, ms since 1970. Using the file does not change it. */
  readonly sentAt: number;
  readonly bytes: number;
  readonly modifiedAt: number;
}

export type Holding = JobPictures | InputFile;

export interface Inventory {
  /** Files that are deleted together, oldest first. */
  readonly holdings: readonly Holding[];
  /** Derived pictures whose original is gone. */
  readonly orphans: readonly { readonly name: string; readonly bytes: number; readonly modifiedAt: number }[];
  /** Totals of each kind. */
  readonly kinds: Readonly<Record<'frame' | 'derived' | 'input', { files: number; bytes: number }>>;
  /** The bytes of all files. */
  readonly size: number;
  /** What all files count for. */
  readonly bytes: number;
}

/**
 * Lists all files and the keys that they belong to. The bytes of a file are what it counts for, at least
 * LEAST_FILE_BYTES. Files whose names are not ours are left out.
 */
export async function takeInventory(
  { frames, inputs, derived }: Stores,
  { keysOfJobs, sendersOf }: Pick<Housekeeper, 'keysOfJobs' | 'sendersOf'>,
): Promise<Inventory> {
  const jobs = new Map<string, JobPictures>();
  const files: InputFile[] = [];
  const orphans: { name: string; bytes: number; modifiedAt: number }[] = [];
  const kinds = { frame: { files: 0, bytes: 0 }, derived: { files: 0, bytes: 0 }, input: { files: 0, bytes: 0 } };
  let all = 0;
  const count = (kind: keyof typeof kinds, size: number): number => {
    kinds[kind].files += 1;
    kinds[kind].bytes += size;
    const bytes = Math.max(LEAST_FILE_BYTES, size);
    all += bytes;
    return bytes;
  };
  const shared = createShared();
  for await (const { name, bytes, modifiedAt } of frames.list()) {
    const id = jobOfPicture(name);
    if (id === undefined) continue;
    const job = jobs.get(id) ?? { kind: 'job', id, keys: [], frames: [], derived: [], bytes: 0, modifiedAt: 0 };
    jobs.set(id, job);
    job.frames.push(shared.text(name.slice(id.length)));
    job.bytes += count('frame', bytes);
    job.modifiedAt = Math.max(job.modifiedAt, modifiedAt.getTime());
  }
  // Listed after the frames: a picture derived meanwhile is young, so it is never deleted as an orphan.
  for await (const { name, bytes, modifiedAt } of derived.list()) {
    const id = jobOfPicture(name);
    if (id === undefined) continue;
    const job = jobs.get(id);
    job?.derived.push(shared.text(name.slice(id.length)));
    const counted = count('derived', bytes);
    if (job === undefined) orphans.push({ name, bytes: counted, modifiedAt: modifiedAt.getTime() });
    else job.bytes += counted;
  }
  const owners = await keysOfJobs([...jobs.keys()]);
  for (const [n, job] of [...jobs.values()].entries()) job.keys = shared.keys([owners[n] ?? []].flat());
  const add = async (page: readonly StoredFrame[]) => {
    const senders = await sendersOf(page.map(({ name }) => inputDigest(name)));
    for (const [n, { name, bytes: size, modifiedAt }] of page.entries()) {
      const all = senders[n];
      const at = modifiedAt.getTime();
      const sentAt = all === undefined || all.length === 0 ? at : Math.max(...all.map(({ since }) => since));
      files.push({
        kind: 'input',
        name,
        keys: shared.keys(all?.map(({ key }) => key) ?? []),
        isUnowned: all === undefined,
        sentAt: Math.min(sentAt, at),
        bytes: count('input', size),
        modifiedAt: at,
      });
    }
  };
  let page: StoredFrame[] = [];
  for await (const file of inputs.list()) {
    if (isInputName(file.name)) page.push(file);
    if (page.length < PAGE) continue;
    await add(page);
    page = [];
  }
  await add(page);
  const holdings = [...jobs.values(), ...files].sort((a, b) => a.modifiedAt - b.modifiedAt);
  const size = kinds.frame.bytes + kinds.derived.bytes + kinds.input.bytes;
  return { holdings, orphans, kinds, size, bytes: all };
}

/** There may be millions of files: equal parts of what is known of them are kept once. */
function createShared() {
  const texts = new Map<string, string>();
  const lists = new Map<string, readonly string[]>();
  const kept = <T>(known: Map<string, T>, name: string, value: T): T => {
    const first = known.get(name) ?? value;
    known.set(name, first);
    return first;
  };
  return {
    text: (text: string) => kept(texts, text, text),
    keys: (keys: readonly string[]) => kept(lists, JSON.stringify(keys), keys),
  };
}
