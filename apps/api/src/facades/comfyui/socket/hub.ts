import { randomUUID } from 'node:crypto';
import { parsePlainJson } from '@comfy-fleet/workflows';
import type { RawData, WebSocket } from 'ws';
import type { Deps } from '../../../deps.js';
import { features } from '../present/features.js';
import { messageFrame } from './frames.js';
import { KeyHub } from './key-hub.js';
import { Outlet } from './outlet.js';

/** What a job's `client` may have; what comes behind that tells nobody apart. */
const MOST_CLIENT_CHARS = 128;

/** Takes a socket that a client of a key has opened; it leaves when it closes. */
export type Join = (
  socket: WebSocket,
  who: { readonly key: string; readonly clientId: string | null; readonly inOrder: boolean },
) => void;

/**
 * The sockets of this process at which callers hear of their jobs as of ComfyUI's prompts. A client id is no identity: it
 * belongs to its key, and all sockets that come with it get the same. Who comes without gets one.
 */
export function socketHub(deps: Pick<Deps, 'ledger' | 'frames' | 'log' | 'config' | 'heartbeatMs'>): Join {
  const keys = new Map<string, KeyHub>();
  const flags = messageFrame(['feature_flags', features(deps.config)]);

  return (socket, { key, clientId, inOrder }) => {
    const client = (clientId || randomUUID().replaceAll('-', '')).slice(0, MOST_CLIENT_CHARS);
    const hub = keys.get(key) ?? new KeyHub(key, deps);
    keys.set(key, hub);
    const outlet = new Outlet(socket, deps.config.http.maxSocketBufferBytes);
    // Only what comes first counts, as in ComfyUI.
    socket.once('message', (data) => {
      const wanted = wantedFlags(data);
      if (wanted === undefined) return;
      outlet.wantsMetadata = wanted.supports_preview_metadata === true;
      outlet.send(flags);
    });
    socket.once('close', () => {
      hub.leave(client, outlet);
      if (hub.isEmpty && keys.get(key) === hub) keys.delete(key);
    });
    hub.join(client, outlet, inOrder);
  };
}

/** Undefined for any other message, whatever it is. */
function wantedFlags(data: RawData): Readonly<Record<string, unknown>> | undefined {
  try {
    const message = parsePlainJson(String(data)) as { readonly type?: unknown; readonly data?: unknown } | null;
    if (message?.type !== 'feature_flags') return undefined;
    return Object(message.data) as Readonly<Record<string, unknown>>;
  } catch {
    return undefined;
  }
}
