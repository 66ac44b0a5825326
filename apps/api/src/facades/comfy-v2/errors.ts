import { type ErrorCode, FleetError } from '@comfy-fleet/contracts';

/** An error that the specification calls by a name of its own, or tells more of. */
export class ComfyV2Error extends FleetError {
  readonly apiCode: string;
  readonly details: Readonly<Record<string, unknown>> | undefined;

  constructor(code: ErrorCode, apiCode: string, detail: string, details?: Readonly<Record<string, unknown>>) {
    super(code, detail);
    this.apiCode = apiCode;
    this.details = details;
  }
}

/** 422, of a graph that cannot run; `nodeErrors` as ComfyUI tells of them. */
export function invalidWorkflow(detail: string, nodeErrors?: object): ComfyV2Error {
  const details = nodeErrors === undefined ? undefined : { node_errors: nodeErrors };
  return new ComfyV2Error('validation_failed', 'invalid_workflow', detail, details);
}

/** 422, of a reference in a graph that leads to no asset of the caller's. */
export function missingAsset(detail: string): ComfyV2Error {
  return new ComfyV2Error('validation_failed', 'missing_asset', detail);
}

/** 422, of a field of a request. */
export function invalidField(field: string, detail: string): FleetError {
  const errors = [{ pointer: `/${field}`, detail }];
  return new FleetError('validation_failed', `${field} ${detail}.`, { errors });
}

export function assetNotFound(): FleetError {
  return new FleetError('asset_not_found', 'There is no asset with this id, or no longer.');
}
