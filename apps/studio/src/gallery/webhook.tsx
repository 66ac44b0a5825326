import type { Job } from '@comfy-fleet/client';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { isOpen } from '../jobs/words.js';
import { Fault } from '../parts/fault.js';
import { useFleet } from '../session.js';

const PENDING_MS = 2_000;

/** The job's webhook: its address, every attempt, and a button to deliver it again. */
export function Webhook({ job }: { readonly job: Job }) {
  const fleet = useFleet();
  const queries = useQueryClient();
  const queryKey = ['webhook', job.id, job.status];
  const { data, error } = useQuery({
    queryKey,
    queryFn: ({ signal }) => fleet.jobs.from(job).webhook({ signal }),
    refetchInterval: ({ state }) =>
      state.data?.state === 'pending' || state.data?.state === 'waiting' ? PENDING_MS : false,
  });
  const redeliver = useMutation({
    mutationFn: () => fleet.jobs.from(job).redeliver(),
    onSuccess: (delivery) => queries.setQueryData(queryKey, delivery),
  });
  return (
    <section>
      <h2>Webhook</h2>
      {error !== null && <Fault error={error} />}
      {data !== undefined && (
        <>
          <p>
            <code>{data.url}</code>: {data.state}
          </p>
          {data.attempts.length > 0 && (
            <table>
              <thead>
                <tr>
                  <th scope="col">When</th>
                  <th scope="col">Status</th>
                  <th scope="col">Answer</th>
                </tr>
              </thead>
              <tbody>
                {data.attempts.map(({ at, status, answer }) => (
                  <tr key={at}>
                    <td>{new Date(at).toLocaleTimeString()}</td>
                    <td>{status ?? 'none'}</td>
                    <td>{answer}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          )}
          {!isOpen(job) && (
            <button type="button" disabled={redeliver.isPending} onClick={() => redeliver.mutate()}>
              Deliver again
            </button>
          )}
        </>
      )}
      {redeliver.error !== null && <Fault error={redeliver.error} />}
    </section>
  );
}
