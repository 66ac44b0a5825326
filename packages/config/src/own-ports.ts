import type { RawConfig } from './schema/config-schema.js';

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
export function ownPorts({ redis, comfyui, http, worker, dispatcher }: RawConfig): number[] {
  const nodes = [redis.sentinels, redis.cluster].flatMap((text) => text?.split(',') ?? []);
  const urls = [redis.url, ...nodes.map((node) => `redis://${node.trim()}`), ...comfyui.urls];
  const health = [http.metricsPort, worker.healthPort, dispatcher.healthPort].filter((port) => port !== 0);
  return [...new Set([...portsOf(urls), ...health])].sort((a, b) => a - b);
}
