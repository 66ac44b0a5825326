/*
 * What programs do with the SDK of the Comfy API v2, which needs Node 22. Run as `node sdk-program.ts <scenario> <json>`
 * with COMFY_BASE_URL; prints what became of it as JSON.
 */
import { Comfy, type ComfyError } from '@comfyorg/sdk';
import { ComfyLow, schemas } from '@comfyorg/sdk/low';

type Graph = Record<string, { readonly inputs: Record<string, unknown> }>;

interface Given {
  readonly url: string;
  readonly key: string;
  readonly graph: Graph;
  readonly graphs: readonly Graph[];
  readonly node: string;
  readonly input: string;
  /** In base64. */
  readonly picture: string;
  readonly filename: string;
  /** An id that nothing has. */
  readonly ghost: string;
}

const [, , scenario = '', text = '{}'] = process.argv;
const given = JSON.parse(text) as Given;
const client = new Comfy({ apiKey: given.key });
const low = new ComfyLow(given.url, given.key);
const graphOf = (graph: object) => client.workflows.fromJson(structuredClone(graph) as Graph);
const bytesOf = (base64: string) => new Uint8Array(Buffer.from(base64, 'base64'));
const refused = (call: () => Promise<unknown>) =>
  call().then(
    () => 'nothing',
    ({ name, code, httpStatus: status, details }: ComfyError) => ({ name, code, status, details }),
  );
const faults = (schema: Schema, value: unknown) => schema.safeParse(value).error?.issues ?? [];

interface Schema {
  safeParse(value: unknown): { readonly error?: { readonly issues: readonly unknown[] } | undefined };
}

const scenarios: Readonly<Record<string, (given: Given) => Promise<unknown>>> = {
  /** Runs a graph with an asset in it, twice uploaded. */
  asset: async ({ graph, node, input, picture, filename }) => {
    const asset = client.assets.fromBytes(bytesOf(picture), { filename });
    const workflow = graphOf(graph);
    workflow.setInput(node, input, asset);
    const job = await client.run(workflow, { timeoutMs: 60_000 });
    const again = client.assets.fromBytes(bytesOf(picture), { filename });
    const { workflow: back, format } = await job.getWorkflow();
    const [output] = job.outputs;
    if (output === undefined) throw new Error('the job has no output');
    const rehydrated = await client.assets.get(output.id);
    return {
      status: job.status,
      asset: { id: asset.id, createdNew: asset.createdNew },
      again: { id: await again.commit(), createdNew: again.createdNew },
      output: Buffer.from(await output.toBytes()).toString('base64'),
      part: Buffer.from(await output.toBytes({ range: [1, 3] })).toString(),
      about: { nodeId: output.nodeId, type: output.type, contentType: output.contentType, size: output.sizeBytes },
      jobOf: { output: output.jobId, asset: rehydrated.jobId, job: job.id },
      download: (await output.getDownloadUrl()).url,
      back: { reference: (back as Graph)[node]?.inputs[input], format },
    };
  },
  /** Follows a job to its end, of a fleet that is paused until somebody follows it. */
  events: async ({ graph }) => {
    const job = await client.submit(graphOf(graph));
    const events: object[] = [];
    for await (const event of job.events()) {
      events.push(event.kind === 'outputReady' ? { ...event, output: event.output.id } : event);
      if (events.length === 1)
        await fetch(`${given.url}/admin/resume`, { method: 'POST', headers: { 'X-API-Key': given.key } });
    }
    await job.refresh();
    return { events, status: job.status, outputs: job.outputs.map(({ id }) => id) };
  },
  /** Cancels a job that runs, and again when it has ended. */
  cancel: async ({ graph }) => {
    const job = await client.submit(graphOf(graph));
    for await (const event of job.events()) {
      if (event.kind === 'statusChange' && event.status === 'running') break;
    }
    await job.cancel();
    const asked = job.status;
    await job.wait(60_000);
    const ended = job.status;
    await job.cancel();
    return { asked, ended, after: job.status, failure: await refused(() => job.result()) };
  },
  errors: async ({ graph, ghost, picture }) => {
    const idempotencyKey = crypto.randomUUID();
    await client.submit(graphOf(graph), { idempotencyKey });
    const strange = { ...graph, ghost: { class_type: 'Nowhere', inputs: {} } };
    const withGhost = graphOf(graph);
    withGhost.setInput('1', 'image', { __type: 'core/ASSET', info: { id: ghost } });
    const stranger = new Comfy({ apiKey: 'nobody' });
    const file = new Blob([bytesOf(picture)]);
    const wrong = { expectedHash: `blake3:${'0'.repeat(64)}` };
    return {
      reused: await refused(() => client.submit(graphOf(graph), { idempotencyKey })),
      editor: await refused(() => client.submit(graphOf({ nodes: [], links: [], last_node_id: 1 }))),
      editorAtServer: await refused(() => low.postJobs({ nodes: [], links: [] })),
      strange: await refused(() => client.submit(graphOf(strange))),
      missing: await refused(() => client.submit(withGhost)),
      job: await refused(() => client.jobs.get(ghost)),
      asset: await refused(() => client.assets.get(ghost)),
      blob: await refused(() => low.assetFromHash(wrong.expectedHash)),
      mismatch: await refused(() => low.postAssets(file, 'image/png', 'x.png', wrong)),
      stranger: await refused(() => stranger.jobs.get(ghost)),
    };
  },
  /** What the answers are not, by the schemas that the SDK has of the specification. */
  shapes: async ({ graph, picture }) => {
    const { zAsset, zJob, zJobStatus, zJobWorkflowResponse, zOutput, zProgress } = schemas;
    const asset = await low.postAssets(new Blob([bytesOf(picture)]), 'image/png', 'shapes.png', { tags: ['a', 'b'] });
    const queued = await low.postJobs(graph);
    const wrong: unknown[] = [];
    for await (const { event, data } of low.getJobEvents(queued.urls.events)) {
      if (event === 'status') wrong.push(...faults(zJobStatus, data.status));
      else if (event === 'progress') wrong.push(...faults(zProgress, data));
      else if (event === 'output') wrong.push(...faults(zOutput, data));
      else if (event !== 'preview') wrong.push(event);
    }
    const ended = await low.getJob(queued.urls.self);
    return [
      ...wrong,
      ...faults(zAsset, asset),
      ...faults(zAsset, await low.assetFromHash(asset.hash ?? '', { filePath: 'other.png' })),
      ...faults(zAsset, await low.getAsset(asset.id)),
      ...faults(zAsset, await low.getAsset(ended.outputs[0]?.id ?? '')),
      ...faults(zJob, queued),
      ...faults(zJob, ended),
      ...faults(zJob, await low.cancelJob(queued.id)),
      ...faults(zJobWorkflowResponse, await low.getJobWorkflow(queued.id)),
    ];
  },
  /** Many jobs at once, each followed to its end and its picture fetched. */
  many: async ({ graphs }) =>
    Promise.all(
      graphs.map(async (graph) => {
        const job = await client.submit(graphOf(graph));
        const seen: string[] = [];
        for await (const event of job.events()) seen.push(event.kind === 'statusChange' ? event.status : event.kind);
        await job.refresh();
        const sizes = await Promise.all(job.outputs.map(async (output) => (await output.toBytes()).length));
        const told = job.outputs.map(({ sizeBytes }) => sizeBytes);
        return { id: job.id, status: job.status, error: job.error, seen, sizes, told };
      }),
    ),
};

process.stdout.write(`${JSON.stringify(await scenarios[scenario]?.(given))}\n`);
