import { FleetError } from '@comfy-fleet/client';

/** What the API says is wrong with an order, by field. */
export function faultsOf(error: Error | null): Readonly<Record<string, string>> {
  const errors = error instanceof FleetError ? error.errors : [];
  return Object.fromEntries(errors.map(({ pointer, detail }) => [pointer.split('/').at(-1) ?? '', detail]));
}
