import { join } from 'node:path';
import { ended, ok } from './shell.mjs';
import { until } from './until.mjs';

/** The prefix of all containers, volumes, networks and images, which keeps them apart from another fleet on this machine. */
const NAME = 'comfy-fleet-check';
export const SERVICES = ['redis', 'simulator', 'api', 'worker', 'dispatcher'];

/** @typedef {ReturnType<typeof createStack>} Stack */

/**
 * The services of docker-compose.yml with the simulator, as docs/deploy.md starts them.
 * @param {import('./engine.mjs').Engine} engine
 * @param {string} folder of the project
 * @param {AbortSignal} signal stops every command
 */
export function createStack(engine, folder, signal) {
  /** @type {NodeJS.ProcessEnv} */
  const env = { PATH: process.env.PATH, HOME: process.env.HOME, ...ofDocker(engine.env), PORT: '0' };
  /** @type {string | undefined} */
  let address;
  const args = ['compose', '--project-name', NAME, '--profile', 'simulator'];
  const options = { env, cwd: folder, signal };

  /** @param {readonly string[]} more */
  const compose = (...more) => ok('docker', [...args, ...more], options);
  /** @param {readonly string[]} more */
  const docker = (...more) => ok('docker', more, options);
  /** @param {string} service */
  const container = async (service) => (await compose('ps', '--all', '--quiet', service)).trim();
  /**
   * @param {string} service
   * @param {string} format
   */
  const inspect = async (service, format) =>
    (await docker('inspect', '--format', format, await container(service))).trim();

  return {
    /** The URL of the API. Docker chooses another port at each start. */
    url: async () => {
      address ??= `http://${(await compose('port', 'api', '3000')).trim()}`;
      return address;
    },
    folder,
    /** @param {string} network of docker-compose.yml */
    networkOf: (network) => `${NAME}_${network}`,
    signal,
    compose,
    docker,
    container,
    inspect,
    /** @param {readonly string[]} more does not reject if the exit code is not 0 */
    tryCompose: (...more) => ended('docker', [...args, ...more], options),
    /** @param {string} app */
    image: (app) => `${NAME}-${app}`,
    /**
     * Sets variables in the environment of further commands.
     * @param {Readonly<Record<string, string | undefined>>} settings
     */
    set: (settings) => void Object.assign(env, settings),

    /** Starts the services and waits until all are healthy. Resolves to the seconds that this took. */
    async up() {
      const begin = performance.now();
      address = undefined;
      await compose('up', '--detach', '--wait', '--wait-timeout', '300');
      return (performance.now() - begin) / 1000;
    },

    /**
     * Waits until a service was restarted and is healthy.
     * @param {string} service
     * @param {number} restarts how often it had been restarted before
     */
    async isBack(service, restarts) {
      address = undefined;
      await until(
        `${service} was restarted and is healthy`,
        async () => {
          const [count, health] = (await inspect(service, '{{.RestartCount}} {{.State.Health.Status}}')).split(' ');
          return Number(count) > restarts && health === 'healthy' ? true : undefined;
        },
        { signal },
      );
    },

    /** Removes everything, including the volumes and the images that were built. */
    down: () =>
      ended('docker', [...args, '--profile', 'doctor', 'down', '--volumes', '--rmi', 'local', '--timeout', '10'], {
        env,
        cwd: folder,
      }),
    secrets: join(folder, '.data/secrets'),
  };
}

/** @param {NodeJS.ProcessEnv} env */
function ofDocker(env) {
  return Object.fromEntries(Object.entries(env).filter(([name]) => name.startsWith('DOCKER_')));
}
