import type { ApiKeys, Config } from '@comfy-fleet/config';
import type { AllowedNodes } from '@comfy-fleet/contracts';
import type { FrameStore } from '@comfy-fleet/frames';
import type { Ledger } from '@comfy-fleet/jobs';
import type { SafeHttp } from '@comfy-fleet/safe-http';
import type { Logger } from '@comfy-fleet/telemetry';
import type { Catalogue } from '@comfy-fleet/workflows';
import type { LRUCache } from 'lru-cache';
import type { Decoder } from './decoding/tasks.js';
import type { Derived } from './files/derived.js';
import type { MeasureFile } from './files/measure-file.js';
import type { RewriteFile } from './files/rewrite-file.js';
import type { StorageWatch } from './files/storage.js';
import type { Offers } from './models/offers.js';
import type { InputsCheck } from './orders/inputs-check.js';
import type { LongJobs } from './orders/long-jobs.js';
import type { FleetView } from './orders/waiting-for.js';
import type { OpenStreams } from './server/key-limits.js';
import type { ApiInstruments } from './server/locals.js';
import type { AllTurns } from './server/turns.js';
import type { LiveWorkflows } from './workflows/live-workflows.js';

/** The services that handlers use. */
export interface Deps extends Readonly<AllTurns> {
  readonly config: Config;
  /** Undefined: requests are not authenticated. */
  readonly keys: Pick<ApiKeys, 'find' | 'byId' | 'all'> | undefined;
  /** The node classes that API keys may use besides the reviewed ones. */
  readonly allowedNodes: AllowedNodes;
  readonly ledger: Ledger;
  readonly fleet: FleetView;
  readonly offers: Offers;
  readonly workflows: LiveWorkflows;
  /** The pictures that jobs made. */
  readonly frames: FrameStore;
  /** The normalised pictures that img2img jobs start from. */
  readonly inputs: FrameStore;
  /** Reads the inside of pictures, videos and sounds in other processes. Only in the turns `decoding`. */
  readonly decoder: Decoder;
  readonly measureFile: MeasureFile;
  readonly rewriteFile: RewriteFile;
  readonly checkInputs: InputsCheck;
  /** Requests of published workflows that passed the GPU limits, with the catalogue that they were checked against. */
  readonly withinLimits: LRUCache<string, { readonly described: Catalogue | undefined; readonly keptPixels: number }>;
  /** Resized and converted copies of the pictures that jobs made. */
  readonly derived: Derived;
  /** Fetches pictures that callers name by URL. */
  readonly pictureHttp: SafeHttp;
  /** Why the URL of a webhook is refused before any request is sent to it; undefined: it is allowed. */
  readonly webhookRefusal: (url: string) => string | undefined;
  /** The same for the URL of a model. */
  readonly modelUrlRefusal: (url: string) => string | undefined;
  readonly longJobs: LongJobs;
  readonly storage: StorageWatch;
  /** Throws storage_full when the disk has no space for more pictures, and overloaded when Redis is nearly full. */
  readonly requireSpace: () => Promise<void>;
  /** The event streams, sockets, downloads and waiting requests that this process has open. */
  readonly streams: OpenStreams;
  /** Large responses that clients have not finished reading, as far as this process knows. */
  readonly downloads: OpenStreams;
  /** Event streams that get previews. */
  readonly previews: OpenStreams;
  readonly instruments: ApiInstruments;
  readonly log: Logger;
  /** Aborts when the process is stopping, which ends streams and waiting responses. */
  readonly stopping: AbortSignal;
  /** How often an idle event stream sends a heartbeat, in ms. */
  readonly heartbeatMs: number;
  /** How often the key behind a stream, a waiting request or a socket is checked again, in ms. */
  readonly readmitMs: number;
}
