import { cancelScript } from './cancel.js';
import { chargeScript } from './charge.js';
import { claimScript } from './claim.js';
import { createScript } from './create.js';
import { enterPhaseScript } from './enter-phase.js';
import { expireScript } from './expire.js';
import { finishScript } from './finish.js';
import { forgetScript } from './forget.js';
import { inputsScript } from './inputs.js';
import { lookScript } from './look.js';
import { loseScript } from './lose.js';
import { noteTryScript } from './note-try.js';
import { previewScript } from './preview.js';
import { progressScript } from './progress.js';
import { prolongScript } from './prolong.js';
import { readScript } from './read.js';
import { rebaseScript } from './rebase.js';
import { recallScript } from './recall.js';
import { reclaimScript } from './reclaim.js';
import { releaseScript } from './release.js';
import { standingScript } from './standing.js';
import { startScript } from './start.js';
import { submitScript } from './submit.js';
import { toldScript } from './told.js';
import { unparkScript } from './unpark.js';

/** One script per transition, by the name under which `runScript` knows it. */
export const SCRIPTS = {
  create: createScript,
  claim: claimScript,
  submit: submitScript,
  unpark: unparkScript,
  start: startScript,
  progress: progressScript,
  preview: previewScript,
  enterPhase: enterPhaseScript,
  look: lookScript,
  lose: loseScript,
  release: releaseScript,
  finish: finishScript,
  cancel: cancelScript,
  expire: expireScript,
  prolong: prolongScript,
  noteTry: noteTryScript,
  told: toldScript,
  forget: forgetScript,
  read: readScript,
  charge: chargeScript,
  rebase: rebaseScript,
  recall: recallScript,
  reclaim: reclaimScript,
  standing: standingScript,
  inputs: inputsScript,
} as const;
