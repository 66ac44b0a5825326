import { type FrameStores, inputDigest, isInputName, jobOfPicture } from '@comfy-fleet/frames';
import { type Housekeeper, LEAST_FILE_BYTES } from '@comfy-fleet/jobs';

/** The stores of all files. */
export type Stores = Pick<FrameStores, 'frames' | 'inputs' | 'derived'>;

/** The pictures of one job. `modifiedAt` is that of the newest picture, in ms since 1970. */
export interface JobPictures {
  readonly kind: 'job';
  readonly id: string;
  /** The API key of the job; empty if its record is gone. */
  readonly keys: readonly string[];
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
  const jobs = new Map<string, Omit<JobPictures, 'keys'>>();
  const files: Listed[] = [];
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
  for await (const { name, bytes, modifiedAt } of frames.list()) {
    const id = jobOfPicture(name);
    if (id === undefined) continue;
    const job = jobs.get(id) ?? { kind: 'job', id, frames: [], derived: [], bytes: 0, modifiedAt: 0 };
    jobs.set(id, job);
    job.frames.push(name);
    job.bytes += count('frame', bytes);
    job.modifiedAt = Math.max(job.modifiedAt, modifiedAt.getTime());
  }
  // Listed after the frames: a picture derived meanwhile is young, so it is never deleted as an orphan.
  for await (const { name, bytes, modifiedAt } of derived.list()) {
    const id = jobOfPicture(name);
    if (id === undefined) continue;
    const job = jobs.get(id);
    job?.derived.push(name);
    const counted = count('derived', bytes);
    if (job === undefined) orphans.push({ name, bytes: counted, modifiedAt: modifiedAt.getTime() });
    else job.bytes += counted;
  }
  for await (const { name, bytes, modifiedAt } of inputs.list()) {
    if (!isInputName(name)) continue;
    files.push({ kind: 'input', name, bytes: count('input', bytes), modifiedAt: modifiedAt.getTime() });
  }
  const owners = await keysOfJobs([...jobs.keys()]);
  const senders = await sendersOf(files.map(({ name }) => inputDigest(name)));
  const holdings = [
    ...[...jobs.values()].map((job, n) => ({ ...job, keys: [owners[n] ?? []].flat() })),
    ...files.map((file, n) => sentBy(file, senders[n])),
  ].sort((a, b) => a.modifiedAt - b.modifiedAt);
  const size = kinds.frame.bytes + kinds.derived.bytes + kinds.input.bytes;
  return { holdings, orphans, kinds, size, bytes: all };
}

/** A file before its keys are known. */
type Listed = Omit<InputFile, 'keys' | 'isUnowned' | 'sentAt'>;

function sentBy(file: Listed, senders: Awaited<ReturnType<Housekeeper['sendersOf']>>[number]): InputFile {
  const all = senders ?? [];
  const since = all.length === 0 ? file.modifiedAt : Math.max(...all.map((sender) => sender.since));
  const sentAt = Math.min(since, file.modifiedAt);
  return { ...file, keys: all.map(({ key }) => key), isUnowned: senders === undefined, sentAt };
}
