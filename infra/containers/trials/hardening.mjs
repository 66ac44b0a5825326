import { Problem } from '../../local/problem.mjs';
import { SERVICES } from '../stack.mjs';

/**
 * @param {import('../stack.mjs').Stack} stack
 * @returns {Promise<string>}
 */
export async function users(stack) {
  const found = [];
  for (const service of SERVICES) {
    const user = (await stack.compose('exec', '-T', service, 'id', '-u')).trim();
    if (user === '0') throw new Problem(`${service} runs as root`);
    if (service !== 'redis' && user !== '1000') throw new Problem(`${service} runs as ${user}`);
    found.push(`${service} ${user}`);
  }
  return found.join(', ');
}

/**
 * @param {import('../stack.mjs').Stack} stack
 * @returns {Promise<string>}
 */
export async function readOnlyRoots(stack) {
  for (const service of SERVICES) {
    // As root, so that only a read-only file system can prevent the write.
    const write = ['exec', '-T', '--user', '0', service, 'sh', '-c', 'touch /here-i-was'];
    const { code, output } = await stack.tryCompose(...write);
    if (code === 0) throw new Problem(`the root file system of ${service} can be written to`);
    if (!/read-only file system/i.test(output)) throw new Problem(`${service}: ${output.trim()}`);
  }
  return `${SERVICES.length} services, read-only even for root`;
}

/**
 * @param {import('../stack.mjs').Stack} stack
 * @returns {Promise<string>}
 */
export async function publishedPorts(stack) {
  const published = [];
  for (const service of SERVICES) {
    const ports = JSON.parse(await stack.inspect(service, '{{json .HostConfig.PortBindings}}')) ?? {};
    for (const [port, bindings] of Object.entries(ports)) {
      for (const { HostIp } of bindings ?? []) published.push(`${service} ${port} at ${HostIp}`);
    }
  }
  if (published.join() !== 'api 3000/tcp at 127.0.0.1') throw new Problem(published.join(', ') || 'nothing');
  return published.join();
}
