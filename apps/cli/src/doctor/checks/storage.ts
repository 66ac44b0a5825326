import { randomBytes } from 'node:crypto';
import { buffer } from 'node:stream/consumers';
import { AWS_SDK_NEEDS_NODE, type Config } from '@comfy-fleet/config';
import { FleetError, newId } from '@comfy-fleet/contracts';
import { type FrameStore, frameName, openFrameStores } from '@comfy-fleet/frames';
import { showBytes, showUrl } from '../../text.js';
import { type Finding, reportOf } from '../finding.js';

const SIZE = 64 * 1024;

/** Stores a picture, reads it back, compares it and deletes it. */
export async function checkStorage(config: Config, signal: AbortSignal): Promise<Finding[]> {
  const { ok, fail } = reportOf('storage');
  const { where, fix } = placeOf(config);
  const { frames, fault } = await openFrameStores(config.frames, { owner: 'doctor' });
  const broken = await fault(signal);
  if (broken !== undefined) return [fail(`${where}: ${broken}`, fix)];
  // Named like a job's picture, so that retention deletes it if we crash.
  const name = frameName(newId(), 1);
  const sent = randomBytes(SIZE);
  try {
    await frames.put(name, [sent], { signal });
    const stream = await frames.open(name);
    const read = stream === undefined ? undefined : await buffer(stream);
    await frames.delete(name);
    if (read === undefined || !sent.equals(read)) {
      return [
        fail(
          `${where}: a stored picture was read back with different content`,
          'look for a fault of the disk or volume',
        ),
      ];
    }
    if ((await frames.stat(name)) !== undefined) {
      return [fail(`${where}: a deleted picture is still there`, fix)];
    }
    return [
      ok(`${where}: a picture was stored, read back and deleted`),
      ...(await checkSpace(frames, config, where)),
      ...checkNode(config),
    ];
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof FleetError)) throw error;
    return [fail(`${where}: ${error.detail}`, fix)];
  }
}

async function checkSpace(frames: FrameStore, { retention }: Config, where: string): Promise<Finding[]> {
  const { ok, warn, fail } = reportOf('storage-room');
  const { minFreeBytes } = retention;
  const free = await frames.freeBytes();
  if (free === undefined) return []; // a bucket has no limit
  const found = `${showBytes(free)} free at ${where}`;
  const fix =
    'free disk space there, keep pictures for less time (FRAMES_MAX_AGE_SECONDS, FRAMES_MAX_BYTES), or lower MIN_FREE_BYTES';
  if (free < minFreeBytes)
    return [fail(`${found}, less than MIN_FREE_BYTES=${minFreeBytes}: no jobs are accepted`, fix)];
  return [free < 2 * minFreeBytes ? warn(`${found}, soon less than MIN_FREE_BYTES=${minFreeBytes}`, fix) : ok(found)];
}

function checkNode({ frames: { store } }: Config): Finding[] {
  if (store !== 's3' || Number.parseInt(process.versions.node, 10) >= AWS_SDK_NEEDS_NODE) return [];
  const found = `versions of the AWS SDK after January 2027 need Node ${AWS_SDK_NEEDS_NODE}; this is ${process.version}`;
  return [reportOf('node').warn(found, `run Node ${AWS_SDK_NEEDS_NODE} or newer`)];
}

function placeOf({ frames }: Config): { readonly where: string; readonly fix: string } {
  if (frames.store === 'file') {
    const { dir } = frames;
    return {
      where: dir,
      fix: `make ${dir} a folder that this user can write to, on a disk with free space, or set FRAMES_DIR to another`,
    };
  }
  return {
    where: `the bucket ${frames.bucket} at ${frames.endpoint === undefined ? `AWS ${frames.region}` : showUrl(frames.endpoint)}`,
    fix: 'make sure that the bucket exists (S3_BUCKET, S3_REGION, S3_ENDPOINT) and that the credentials can read, write and delete in it',
  };
}
