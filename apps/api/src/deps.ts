import type { ApiKeys, Config } from '@comfy-fleet/config';
import type { AllowedNodes } from '@comfy-fleet/contracts';
import type { FrameStore } from '@comfy-fleet/frames';
import type { Ledger } from '@comfy-fleet/jobs';
import type { SafeHttp } from '@comfy-fleet/safe-http';
import type { Logger } from '@comfy-fleet/telemetry';
import type { Catalogue } from '@comfy-fleet/workflows';
import type { LRUCache } from 'lru-cache';
import type { Derived } from './files/derived.js';
import type { MeasureFile } from './files/measure-file.js';
import type { Posters } from './files/posters.js';
import type { StorageWatch } from './files/storage.js';
import type { FleetView } from './orders/waiting-for.js';
import type { OpenStreams } from './server/key-limits.js';
import type { ApiInstruments } from './server/locals.js';
import type { Turns } from './server/turns.js';
import type { LiveWorkflows } from './workflows/live-workflows.js';

/** What the handlers work with. */
export interface Deps {
  readonly config: Pick<
    Config,
    'http' | 'access' | 'assets' | 'compat' | 'limits' | 'images' | 'past' | 'queue' | 'retention' | 'workflows'
  >;
  /** Undefined: nobody is asked who they are. */
  readonly keys: Pick<ApiKeys, 'find' | 'byId' | 'all'> | undefined;
  /** The node classes that API keys may use besides the reviewed ones. */
  readonly allowedNodes: AllowedNodes;
  readonly ledger: Ledger;
  readonly fleet: FleetView;
  readonly workflows: LiveWorkflows;
  /** The pictures that jobs made. */
  readonly frames: FrameStore;
  /** The normalised pictures that img2img jobs start from. */
  readonly inputs: FrameStore;
  readonly measureFile: MeasureFile;
  /** Requests of published workflows that were found within their limits, and the catalogue by which they were judged. */
  readonly withinLimits: LRUCache<string, { readonly described: Catalogue | undefined }>;
  /** Smaller forms of the pictures that jobs made. */
  readonly derived: Derived;
  readonly derivedStore: FrameStore;
  readonly posters: Posters;
  /** Fetches pictures that callers name by URL. */
  readonly pictureHttp: SafeHttp;
  /** Says what is wrong with the URL of a webhook on its face. */
  readonly webhookRefusal: (url: string) => string | undefined;
  readonly storage: StorageWatch;
  /** Throws storage_full while there is no disk space for more pictures, and overloaded while Redis is nearly full. */
  readonly requireSpace: () => Promise<void>;
  /** Gives lists and histories their turn. */
  readonly heavyReads: Turns;
  /** Gives work that holds the thread, such as judging a graph, its turn. */
  readonly computing: Turns;
  /** Gives the fetching of pictures its turn. */
  readonly fetching: Turns;
  /** Gives the decoding of pictures its turn. */
  readonly decoding: Turns;
  /** The event streams that this process has open. */
  readonly streams: OpenStreams;
  readonly instruments: ApiInstruments;
  readonly log: Logger;
  /** Aborts when the process is to end: streams and waiting answers end then. */
  readonly stopping: AbortSignal;
  /** How often a silent event stream shows that it lives, in ms. */
  readonly heartbeatMs: number;
  /** How often the key of a stream, a wait or a socket is checked again, in ms. */
  readonly readmitMs: number;
}
