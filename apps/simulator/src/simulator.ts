import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { WebSocketServer } from 'ws';
import { Engine } from './engine.js';
import type { FaultBook } from './faults.js';
import { hasRequiredHeader, isCrossOrigin } from './http/access.js';
import { createApp } from './http/app.js';
import { type JournalLine, readJournal } from './journal.js';
import { defaultSettings, patched, type SimulatorSettings } from './settings.js';

export interface SimulatorOptions extends Partial<SimulatorSettings> {
  /** Default 0: a free one. */
  readonly port?: number;
  readonly host?: string;
  /** The parent of input, output and temp. Default: a new folder that `close` removes. */
  readonly dir?: string;
  /** Carries out a crash fault. Default: `drop`. */
  readonly onCrash?: () => void;
}

export interface Simulator {
  readonly url: string;
  readonly port: number;
  /** Holds the folders input, output and temp. */
  readonly dir: string;
  readonly settings: SimulatorSettings;
  /** Changes settings at once, also for the running prompt. Throws a SettingsError. */
  set(patch: Partial<SimulatorSettings>): void;
  readonly faults: FaultBook;
  /** The lines of the journal file so far; none without a journal. */
  journal(): JournalLine[];
  /** Acts like a crash and restart: cuts connections and loses queue, history and cache, but no files. */
  drop(): void;
  /** Stops at once, even in the middle of a prompt. */
  close(): Promise<void>;
}

/** Starts a simulated ComfyUI. Rejects with a SettingsError, or if it cannot listen on the port. */
export async function startSimulator(options: SimulatorOptions = {}): Promise<Simulator> {
  const { port = 0, host = '127.0.0.1', dir: givenDir, onCrash, ...given } = options;
  const settings = patched(defaultSettings, given);
  const dir = givenDir ?? (await mkdtemp(join(tmpdir(), 'comfy-fleet-simulator-')));
  const connections = new Set<Socket>();
  const server = createServer();
  const cut = () => {
    for (const socket of connections) socket.destroy();
  };
  const drop = () => {
    engine.forget();
    cut();
  };
  const address = () => server.address() as AddressInfo;
  const engine = new Engine({ settings, dir, port: () => address().port, crash: onCrash ?? drop });
  server.on('request', createApp(engine));
  server.on('connection', (socket) => {
    connections.add(socket);
    socket.on('close', () => connections.delete(socket));
  });
  // ComfyUI does not close idle connections, so clients may reuse them.
  server.keepAliveTimeout = 0;
  const sockets = new WebSocketServer({ noServer: true });
  server.on('upgrade', (request, socket, head) => {
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://simulator');
    if (!hasRequiredHeader(request.headers, engine.settings.requiredHeader)) {
      refuse(socket, '401 Unauthorized');
      return;
    }
    const isWs = pathname === '/ws' || pathname === '/api/ws';
    if (!isWs || isCrossOrigin(request.headers, engine.settings.version)) {
      refuse(socket, isWs ? '403 Forbidden' : '404 Not Found');
      return;
    }
    sockets.handleUpgrade(request, socket, head, (ws) =>
      engine.hub.connect(ws, socket, searchParams.get('clientId') ?? ''),
    );
  });
  const removeOwnDir = async () => {
    if (givenDir === undefined) await rm(dir, { recursive: true, force: true });
  };
  try {
    server.listen(port, host);
    await once(server, 'listening');
  } catch (error) {
    await removeOwnDir();
    throw error;
  }
  return {
    url: `http://${host}:${address().port}`,
    port: address().port,
    dir: engine.folders.root,
    get settings() {
      return engine.settings;
    },
    set: (patch) => engine.change(patch),
    faults: engine.faults,
    journal: () => (engine.settings.journal === null ? [] : readJournal(engine.settings.journal)),
    drop,
    close: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      const stopped = engine.close();
      cut();
      await Promise.all([closed, stopped]);
      await removeOwnDir();
    },
  };
}

/** Refuses a WebSocket handshake. */
function refuse(socket: Duplex, status: string): void {
  socket.end(`HTTP/1.1 ${status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`);
}
