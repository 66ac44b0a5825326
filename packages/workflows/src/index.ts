export { type BindOptions, bindGraph } from './bind-graph.js';
export { type Bindings, PARAMETERS, type Parameter } from './bindings.js';
export { type Catalogue, isOutputClass, unionOf } from './describe/catalogue.js';
export {
  choicesOf,
  describeReplaced,
  type Replacement,
  readReplacements,
  withoutFileLists,
} from './describe/class-choices.js';
export { exampleBody, listNodes, type WorkflowDescription } from './describe/describe-workflow.js';
export { outputKind } from './describe/find-outputs.js';
export { type Note, RULES, type Rule, seedsOf } from './describe/found-input.js';
export type { JsonSchema } from './describe/input-schema.js';
export { fileWidget, isMedia } from './describe/widget.js';
export { type Change, type Difference, differenceOf, type PartDifference } from './difference.js';
export { encodingOf, textNodesOf } from './encoders.js';
export {
  type EncodingPlan,
  encodersOf,
  type JobToEncode,
  planEncodings,
  type RunAhead,
  signaturesOf,
} from './encoding-graph.js';
export {
  FASTEST,
  fastSaveNodes,
  isFastSaved,
  MOST_FAST_PIXELS,
  SAVES_PNG,
  SAVES_WEBP,
  withFastSave,
  withoutFastSave,
} from './fast-save.js';
export { FileFault, WorkflowError } from './file-fault.js';
export { findLacks, type Lack } from './find-lacks.js';
export { basisOfDemand, type GpuDemand, gpuDemand } from './gpu-demand.js';
export {
  faultsBeyond,
  type LimitFault,
  limitErrors,
  limitsFor,
  linkedNumberFaults,
  MAX_OUTPUTS,
  previewFaults,
} from './gpu-limits.js';
export { describeNode, type Graph, type GraphNode, isLink, neededOf, type Place, type Slot } from './graph.js';
export {
  ascii,
  exactNumber,
  MAX_NUMBER_CHARS,
  parseJson,
  parseMarked,
  parsePlainJson,
  parseStoredJson,
  showJson,
  showMarked,
} from './json-text.js';
export {
  checkpointsOf,
  checkpointToName,
  describeLack,
  explainVerdicts,
  judgeWorkflows,
  type WorkflowVerdict,
} from './judge-workflows.js';
export {
  type FolderFault,
  type FolderReading,
  type LoadOptions,
  listWorkflows,
  loadWorkflows,
  readFolder,
  readWorkflowFile,
  requireWhole,
  type Workflows,
} from './load-workflows.js';
export { type LoadedMedia, latentOfBytes, MAX_FRAMES } from './loaded-media.js';
export type { LodProfile } from './lod-profiles.js';
export { classesOf, GRAPH, openUpload, openWorkflow } from './make-workflow.js';
export {
  CORE_LOADERS,
  classesOfKind,
  kindsOfInputs,
  loaderInputsOf,
  MODEL_INPUTS,
  modelKindAt,
  withoutModels,
} from './model-kinds.js';
export { type Loader, loadersOf, mainModelsOf, modelPlaces, modelsNeeded, modelsOf } from './models-of.js';
export { NODE_TABLE } from './nodes/node-table.js';
export {
  type ChoosableModels,
  choicesOfAll,
  offeredAbilities,
  offeredCatalogue,
  offeredClass,
} from './offered-models.js';
export { type GraphOptions, type OpenedGraph, openGraph } from './open-graph.js';
export { type InputsToResolve, mayBeOption, resolveInputs } from './resolve-inputs.js';
export {
  deadlineMs,
  pictureInputs,
  poolFor,
  poolsOf,
  type RequestToResolve,
  randomSeed,
  resolveRequest,
} from './resolve-request.js';
export { withFileWidgets } from './rights/allowed-inputs.js';
export { type ForbiddenPart, forbiddenParts, type NodeRights } from './rights/forbidden-parts.js';
export {
  type PictureTexts,
  parseSource,
  readSource,
  type SourceParts,
  sourceText,
  versionOf,
  type WorkflowSource,
} from './source.js';
export { type GraphFault, graphFaults, type HasFile } from './verdict/graph-faults.js';
export { type NodeInput, nodeInputs } from './verdict/node-inputs.js';
export { Float, floatText, isTruthy, pythonRepr, pythonText, toFloat } from './verdict/python.js';
export {
  boundedError,
  boundedNodeErrors,
  type ComfyError,
  type NodeErrors,
  type ServerTraits,
} from './verdict/refusal.js';
export { type Verdict, type VerdictOptions, verdictOf } from './verdict/verdict-of.js';
export { cut, listed, suggest } from './wording.js';
export type { Workflow, WorkflowInput } from './workflow.js';
