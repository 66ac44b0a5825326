import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run } from './container.js';
import { ROOT } from './files.js';

type Labels = Readonly<Record<string, string>>;
type Selector = { readonly matchLabels?: Labels; readonly matchExpressions?: readonly object[] };

export interface Probe {
  readonly httpGet?: { readonly path: string; readonly port: string | number };
  readonly exec?: { readonly command: readonly string[] };
}

export interface PodContainer {
  readonly name: string;
  readonly image: string;
  readonly restartPolicy?: string;
  readonly args?: readonly string[];
  readonly env?: readonly { readonly name: string; readonly value?: string }[];
  readonly envFrom?: readonly { readonly configMapRef?: { readonly name: string } }[];
  readonly ports?: readonly { readonly name: string; readonly containerPort: number }[];
  readonly startupProbe?: Probe;
  readonly livenessProbe?: Probe;
  readonly readinessProbe?: Probe;
  readonly resources?: { readonly requests?: Labels; readonly limits?: Labels };
  readonly securityContext?: object;
  readonly volumeMounts?: readonly { readonly name: string; readonly mountPath: string; readonly readOnly?: boolean }[];
}

export interface PodSpec {
  readonly serviceAccountName?: string;
  readonly automountServiceAccountToken?: boolean;
  readonly enableServiceLinks?: boolean;
  readonly terminationGracePeriodSeconds?: number;
  readonly securityContext?: object;
  readonly initContainers?: readonly PodContainer[];
  readonly containers: readonly PodContainer[];
  readonly volumes?: readonly {
    readonly name: string;
    readonly secret?: { readonly secretName: string; readonly optional?: boolean };
    readonly configMap?: { readonly name: string };
    readonly persistentVolumeClaim?: { readonly claimName: string };
  }[];
}

/** The fields of a manifest that the checks read. */
export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string; readonly annotations?: Labels };
  readonly data?: Readonly<Record<string, string>>;
  readonly spec?: {
    readonly replicas?: number;
    readonly selector?: Selector & Labels;
    readonly podSelector?: Selector;
    readonly template?: {
      readonly metadata: { readonly labels: Labels; readonly annotations?: Labels };
      readonly spec: PodSpec;
    };
    readonly ports?: readonly { readonly name: string; readonly port: number; readonly targetPort: string }[];
    readonly scaleTargetRef?: { readonly name: string; readonly kind?: string };
    readonly volumeClaimTemplates?: readonly { readonly metadata: { readonly name: string } }[];
    readonly [more: string]: unknown;
  };
}

/** The schemas. The packages are generated from the OpenAPI document of Kubernetes and the CRDs of KEDA. */
const SCHEMAS: Readonly<Record<string, () => Promise<object>>> = {
  v1: () => import('kubernetes-models/v1'),
  'apps/v1': () => import('kubernetes-models/apps/v1'),
  'autoscaling/v2': () => import('kubernetes-models/autoscaling/v2'),
  'networking.k8s.io/v1': () => import('kubernetes-models/networking.k8s.io/v1'),
  'policy/v1': () => import('kubernetes-models/policy/v1'),
  'keda.sh/v1alpha1': () => import('@kubernetes-models/keda/keda.sh/v1alpha1'),
};

/** The module with the types of a manifest, for the compiler. */
function moduleOf({ apiVersion }: Manifest): string {
  return apiVersion.startsWith('keda.sh/')
    ? `@kubernetes-models/keda/${apiVersion}`
    : `kubernetes-models/${apiVersion}`;
}

interface Model {
  validate(): void;
}

/** Violations of the schema: wrong types, missing fields, wrong enumeration values. */
export async function faultsOf(manifest: Manifest): Promise<readonly string[]> {
  const kinds = (await SCHEMAS[manifest.apiVersion]?.()) as Record<string, new (data: object) => Model> | undefined;
  const Kind = kinds?.[manifest.kind];
  if (Kind === undefined) return [`${manifest.apiVersion} has no kind ${manifest.kind}`];
  try {
    new Kind(manifest).validate();
    return [];
  } catch (error) {
    return [`${manifest.kind} ${manifest.metadata.name}: ${String(error)}`];
  }
}

/** Finds unknown fields, which the schemas accept, by compiling the manifests with the types of the same packages. */
export async function unknownFields(manifests: readonly Manifest[]): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'comfy-fleet-manifests-'));
  try {
    const lines = manifests.map((each, index) => {
      const type = `import(${JSON.stringify(moduleOf(each))}).I${each.kind}`;
      return `export const _${index}: ${type} = ${JSON.stringify(each)};`;
    });
    await writeFile(join(dir, 'manifests.ts'), lines.join('\n'));
    const modules = join(ROOT, 'node_modules');
    const paths = Object.fromEntries(
      ['kubernetes-models/*', '@kubernetes-models/keda/*'].map((name) => [name, [join(modules, name)]]),
    );
    const compilerOptions = { noEmit: true, strict: true, module: 'nodenext', skipLibCheck: true, types: [], paths };
    await writeFile(join(dir, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['manifests.ts'] }));
    return await run(join(modules, '.bin/tsc'), ['-p', dir]).catch((error: Error) => error.message);
  } finally {
    await rm(dir, { recursive: true });
  }
}

/** All containers of a pod, including sidecars. */
export const containersOf = ({ containers, initContainers = [] }: PodSpec): readonly PodContainer[] => [
  ...initContainers,
  ...containers,
];
