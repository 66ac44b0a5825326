import type { ErrorCode } from '@comfy-fleet/contracts';

/**
 * What a worker does about a failed job: `fail` it; run it `again` while it has attempts left; send it `elsewhere`,
 * which costs no attempt if ComfyUI never began it; free `memory` and run it again; run a `cross-check` elsewhere,
 * because the instance may be at fault; `let go` of it, so that the next claim finds it.
 *
 * | reaction | where | how often | after |
 * |---|---|---|---|
 * | fail | | | |
 * | again | another instance, if there is one | `maxAttempts` executions; `maxInstanceDeaths` if the instance died or
 * fell silent under it | 1 s, doubling |
 * | elsewhere | another instance, if there is one | `maxRefusals` times | 1 s, doubling |
 * | memory | the same instance, then another one with at least as much memory | once each | at once |
 * | hung | another instance, if the first one ignored the interrupt | once | at once |
 * | let go | | | the job's lock has expired |
 * | cross-check | as cross-check.ts decides | | at once, or after the instance's rest |
 */
type Reaction = 'fail' | 'let go' | 'again' | 'elsewhere' | 'memory' | 'hung' | 'cross-check';

/**
 * One row per code, so that the compiler finds a missing one. Codes of requests never occur in a job; they would fail
 * it.
 */
export const REACTIONS: Readonly<Record<ErrorCode, Reaction>> = {
  workflow_rejected: 'fail',
  node_execution_error: 'cross-check',
  gpu_failed: 'cross-check',
  model_unreadable: 'cross-check',
  instance_io_failed: 'cross-check',
  library_missing: 'cross-check',
  out_of_memory: 'memory',
  interrupted: 'fail',
  no_output: 'fail',
  output_too_large: 'fail',
  input_missing: 'fail',
  storage_failed: 'fail',
  worker_killed: 'fail',
  instance_killed: 'fail',
  timed_out: 'hung',
  prompt_lost: 'again',
  instance_unreachable: 'elsewhere',
  comfyui_error: 'elsewhere',
  // The next claim adopts what ComfyUI has and writes what the ledger refused now.
  queue_unavailable: 'let go',
  workflow_missing: 'fail',
  // Codes of requests
  unauthorized: 'fail',
  forbidden: 'fail',
  webhook_not_found: 'fail',
  wrong_job_state: 'fail',
  asset_in_use: 'fail',
  hash_mismatch: 'fail',
  url_not_allowed: 'fail',
  url_unreachable: 'fail',
  idempotency_key_reused: 'fail',
  rate_limited: 'fail',
  upload_limit_reached: 'fail',
  gpu_limit_reached: 'fail',
  storage_full: 'fail',
  storage_share_exceeded: 'fail',
  overloaded: 'fail',
  malformed_json: 'fail',
  malformed_request: 'fail',
  not_found: 'fail',
  job_not_found: 'fail',
  image_not_found: 'fail',
  asset_not_found: 'fail',
  file_not_found: 'fail',
  instance_not_found: 'fail',
  pool_not_found: 'fail',
  key_not_found: 'fail',
  workflow_not_found: 'fail',
  model_not_found: 'fail',
  workflow_is_a_file: 'fail',
  invalid_workflow: 'fail',
  method_not_allowed: 'fail',
  body_too_large: 'fail',
  body_too_slow: 'fail',
  too_many_streams: 'fail',
  wrong_host: 'fail',
  unsupported_media_type: 'fail',
  range_not_satisfiable: 'fail',
  validation_failed: 'fail',
  invalid_image: 'fail',
  no_able_instance: 'fail',
  queue_full: 'fail',
  internal_error: 'fail',
};
