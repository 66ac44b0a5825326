import { Problem } from '../local/problem.mjs';
import { until } from './until.mjs';

/**
 * The fields of a job that the checks read.
 * @typedef {{ id: string, status: string, image_url: string | null, error?: unknown }} Job
 * @typedef {ReturnType<typeof createApi>} Api
 */

/**
 * @param {() => Promise<string>} base
 * @param {string} [key]
 */
export function createApi(base, key) {
  const auth = key === undefined ? {} : { authorization: `Bearer ${key}` };
  /**
   * @param {string} path
   * @param {RequestInit} [init]
   */
  const call = async (path, init = {}) =>
    fetch(new URL(path, await base()), {
      signal: AbortSignal.timeout(30_000),
      ...init,
      headers: { ...auth, ...init.headers },
    });

  /**
   * @param {Response} response
   * @param {number} status
   */
  const expected = async (response, status) => {
    if (response.status === status) return response;
    throw new Problem(`${response.url} answered ${response.status} instead of ${status}: ${await response.text()}`);
  };

  return {
    call,
    /**
     * @param {string} path
     * @param {object | FormData} body
     * @returns {Promise<Job>}
     */
    async order(path, body) {
      const init =
        body instanceof FormData
          ? { method: 'POST', body }
          : { method: 'POST', body: JSON.stringify(body), headers: { 'content-type': 'application/json' } };
      return /** @type {Job} */ (await (await expected(await call(path, init), 202)).json());
    },
    /**
     * @param {string} path
     * @returns {Promise<any>}
     */
    read: async (path) => (await expected(await call(path), 200)).json(),
    /**
     * Waits for the end of a job. Throws a Problem if it did not succeed.
     * @param {string} id
     */
    async succeeded(id) {
      const job = await until(`job ${id} ends`, async () => {
        const seen = /** @type {Job} */ (await (await expected(await call(`/jobs/${id}`), 200)).json());
        return ['queued', 'running', 'canceling'].includes(seen.status) ? undefined : seen;
      });
      if (job.status !== 'succeeded') throw new Problem(`job ${id}: ${job.status} ${JSON.stringify(job.error)}`);
      return job;
    },
    /**
     * Downloads the picture of a job. Throws a Problem if it is not a PNG.
     * @param {Job} job
     */
    async picture(job) {
      const url = new URL(job.image_url ?? '', await base());
      const bytes = Buffer.from(await (await expected(await call(`${url.pathname}${url.search}`), 200)).arrayBuffer());
      if (bytes.toString('latin1', 1, 4) !== 'PNG') throw new Problem(`${url} is not a PNG`);
      return bytes;
    },
  };
}
