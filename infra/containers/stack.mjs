import { join } from 'node:path';
import { ended, ok } from './shell.mjs';
import { until } from './until.mjs';

/** Its containers, volumes, networks and images are named after it, so that a fleet that runs here is another. */
const NAME = 'comfy-fleet-check';
export const SERVICES = ['redis', 'simulator', 'api', 'worker', 'dispatcher'];

/** @typedef {ReturnType<typeof createStack>} Stack */

/**
 * The services of docker-compose.yml with the simulator, as docs/deploy.md brings them up.
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
    /** Where the API is reached: at a port of Docker's choice, another one each time that it is started. */
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
    /** @param {readonly string[]} more, whatever the exit code is */
    tryCompose: (...more) => ended('docker', [...args, ...more], options),
    /** @param {string} app */
    image: (app) => `${NAME}-${app}`,
    /**
     * What is in the environment of the commands from now on.
     * @param {Readonly<Record<string, string | undefined>>} settings
     */
    set: (settings) => void Object.assign(env, settings),

    /** Resolves when the health checks of all services say that all is well; to the seconds that it took. */
    async up() {
      const begin = performance.now();
      address = undefined;
      await compose('up', '--detach', '--wait', '--wait-timeout', '300');
      return (performance.now() - begin) / 1000;
    },

    /**
     * @param {string} service
     * @param {number} restarts that it had before
     */
    async isBack(service, restarts) {
      address = undefined;
      await until(
        `${service} was started again and is healthy`,
        async () => {
          const [count, health] = (await inspect(service, '{{.RestartCount}} {{.State.Health.Status}}')).split(' ');
          return Number(count) > restarts && health === 'healthy' ? true : undefined;
        },
        { signal },
      );
    },

    /** Ends all of it, with its volumes and the images that were built for it. */
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
