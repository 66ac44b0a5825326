import type { Settings } from './settings-schema.js';

/** A reverse proxy shares these with whatever else its host serves, so that they say nothing about who answers. */
const SHARED = new Set([80, 443]);
const DEFAULT_PORTS: Readonly<Record<string, number>> = { 'http:': 80, 'https:': 443, 'redis:': 6379, 'rediss:': 6379 };

/** The ports of addresses that only one service can have. */
export function portsOf(urls: readonly string[]): number[] {
  const ports = urls
    .filter((url) => URL.canParse(url))
    .map((url) => new URL(url))
    .map(({ port, protocol }) => (port === '' ? DEFAULT_PORTS[protocol] : Number(port)));
  return ports.filter((port) => port !== undefined && !SHARED.has(port)) as number[];
}

/** The ports of the services that these settings name, which no URL of a caller may name on a private host. */
export function ownPorts(s: Settings): number[] {
  const nodes = [s.REDIS_SENTINELS, s.REDIS_CLUSTER].flatMap((text) => text?.split(',') ?? []);
  const urls = [
    s.REDIS_URL,
    ...nodes.map((node) => `redis://${node.trim()}`),
    ...(s.COMFYUI_URLS?.split(',').map((url) => url.trim()) ?? []),
  ];
  const health = [s.API_METRICS_PORT, s.WORKER_HEALTH_PORT, s.DISPATCHER_HEALTH_PORT].filter((port) => port !== 0);
  return [...new Set([...portsOf(urls), ...health])].sort((a, b) => a - b);
}
