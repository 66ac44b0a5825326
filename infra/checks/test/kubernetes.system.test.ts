import { join } from 'node:path';
import { loadConfig } from '@comfy-fleet/config';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { stagesOf } from './support/dockerfile.js';
import { ROOT, SETTINGS, textOf } from './support/files.js';
import { helm, rendered } from './support/helm.js';
import { containersOf, faultsOf, type Manifest, type PodSpec, unknownFields } from './support/kubernetes.js';
import { METRICS } from './support/metrics.js';

const CHART = join(ROOT, 'infra/helm');
/** The examples of the chart, and values for what they do not use. */
const VARIANTS: Readonly<Record<string, readonly string[]>> = {
  'production example': ['--values', join(CHART, 'examples/production.yaml')],
  'simulator example': ['--values', join(CHART, 'examples/simulator.yaml')],
  'chart without values': [],
  'chart with Sentinels, two pools, instances elsewhere and KEDA': [
    ...['--set', 'redis.mode=sentinel,redis.sentinels={s1:26379,s2:26379},secrets.redis=sentinel'],
    ...['--set', 'pools[0].name=large,pools[1].name=small,pools[1].workers=3'],
    ...['--set', 'pools[2].name=rented,pools[2].instances.secret=rented,keda.enabled=true'],
  ],
};
/** Secrets that the user of the chart creates. */
const SECRETS = ['comfy-fleet-redis', 'comfy-fleet-keys', 'comfy-fleet-s3', 'sentinel', 'rented'];
/** Variables of the AWS SDK, and of an address in another variable. */
const NOT_OURS = ['AWS_SHARED_CREDENTIALS_FILE', 'POD_INDEX'];
/** How long a process may take to stop after DRAIN_SECONDS, UNREADY_SECONDS or WEBHOOK_TIMEOUT_MS. */
const MOST_REST_SECONDS = 10;
const COMFYUI = '/system_stats';
const PATHS = ['/livez', '/readyz', COMFYUI];

const IMAGE = stagesOf(await textOf('infra/docker/Dockerfile')).at(-1) ?? expect.fail('no stage');
/** The image's variables of the ports of each role. */
const PORTS: Readonly<Record<string, readonly string[]>> = {
  api: ['PORT', 'API_METRICS_PORT'],
  dispatcher: ['DISPATCHER_HEALTH_PORT'],
  worker: ['WORKER_HEALTH_PORT'],
  comfyui: ['SIMULATOR_PORT'],
};

describe.each(Object.entries(VARIANTS))('the %s', async (_variant, values) => {
  const all = await rendered(...values);
  const ofKind = (kind: string) => all.filter((each) => each.kind === kind);
  const find = (kind: string, name: string) => ofKind(kind).find(({ metadata }) => metadata.name === name);
  const loads = all.filter(({ spec }) => spec?.template !== undefined);
  const podOf = ({ spec }: Manifest): PodSpec => spec?.template?.spec ?? expect.fail('no pod');
  const labelsOf = ({ spec }: Manifest) => spec?.template?.metadata.labels ?? {};
  const load = (name: string) => find('Deployment', name) ?? find('StatefulSet', name);
  const pod = (name: string) => podOf(load(name) ?? expect.fail(`no pods ${name}`));
  const component = (each: Manifest) => labelsOf(each)['app.kubernetes.io/component'] ?? '';
  const namesOf = (...components: string[]) =>
    loads.filter((each) => components.includes(component(each))).map(({ metadata }) => metadata.name);
  const processes = namesOf('api', 'dispatcher', 'worker');
  const pools = namesOf('comfyui').map((name) => name.replace('comfyui-', ''));
  const chosenBy = (labels: Readonly<Record<string, string>> = {}) =>
    loads.filter((each) => Object.entries(labels).every(([key, value]) => labelsOf(each)[key] === value));
  const environment = (name: string): Record<string, string> => {
    const [container] = pod(name).containers;
    const settings = container?.envFrom?.flatMap(({ configMapRef }) =>
      Object.entries(find('ConfigMap', configMapRef?.name ?? '')?.data ?? {}),
    );
    const own = container?.env?.map(({ name: key, value = '' }) => [key, value] as const);
    return Object.fromEntries([...(settings ?? []), ...(own ?? [])]);
  };

  it('conforms to the schemas of Kubernetes and KEDA, without unknown fields', async () => {
    expect(all.length).toBeGreaterThan(15);
    expect((await Promise.all(all.map(faultsOf))).flat()).toEqual([]);
    expect(await unknownFields(all)).toBe('');
  });

  it('is in the namespace of the release, with unique names', () => {
    for (const { metadata } of all) expect(metadata.namespace).toBeUndefined();
    const names = all.map(({ kind, metadata }) => `${kind} ${metadata.name}`);
    expect(new Set(names).size).toBe(names.length);
  });

  it('selects existing pods in deployments, services, budgets, policies and scalers', () => {
    expect(loads.map(component)).toEqual(expect.arrayContaining(['api', 'dispatcher', 'worker']));
    for (const load of loads) expect(chosenBy(load.spec?.selector?.matchLabels)).toEqual([load]);
    for (const { spec } of ofKind('Service'))
      expect(chosenBy(spec?.selector as Record<string, string>)).toHaveLength(1);
    for (const { spec } of ofKind('PodDisruptionBudget')) expect(chosenBy(spec?.selector?.matchLabels)).toHaveLength(1);
    for (const { spec } of ofKind('NetworkPolicy')) expect(chosenBy(spec?.podSelector?.matchLabels)).not.toEqual([]);
    const scaled = ['HorizontalPodAutoscaler', 'ScaledObject'].flatMap(ofKind);
    for (const { spec } of scaled) {
      const { kind = 'Deployment', name = '' } = spec?.scaleTargetRef ?? {};
      const target = find(kind, name);
      expect(target?.spec?.replicas, 'every upgrade would reset the number').toBeUndefined();
      expect(target).toBeDefined();
    }
  });

  it('has ports with the names and numbers that others use', () => {
    for (const { spec } of ofKind('Service')) {
      const [load] = chosenBy(spec?.selector as Record<string, string>);
      const names = containersOf(podOf(load ?? expect.fail())).flatMap(({ ports = [] }) =>
        ports.map(({ name }) => name),
      );
      for (const { targetPort } of spec?.ports ?? []) expect(names).toContain(targetPort);
    }
    for (const each of loads) {
      const role = component(each);
      if (role === 'redis') continue;
      const ports = podOf(each).containers[0]?.ports?.map(({ containerPort }) => containerPort) ?? [];
      expect(ports).toEqual(PORTS[role]?.map((name) => Number(IMAGE.env[name])));
      const scraped = each.spec?.template?.metadata.annotations?.['prometheus.io/port'];
      if (role === 'comfyui') expect(scraped).toBeUndefined();
      else expect(ports.map(String)).toContain(scraped);
    }
  });

  it('has probes at ports and paths that the processes serve', () => {
    for (const load of loads) {
      for (const container of podOf(load).containers) {
        const { livenessProbe, readinessProbe, startupProbe, ports = [] } = container;
        for (const probe of [startupProbe, livenessProbe, readinessProbe]) {
          expect(probe?.httpGet ?? probe?.exec, `${load.metadata.name} lacks a probe`).toBeDefined();
          if (probe?.httpGet === undefined) continue;
          expect(PATHS).toContain(probe.httpGet.path);
          expect(ports.map(({ name }) => name)).toContain(probe.httpGet.port);
        }
        // Kubernetes must not kill a process because it waits for Redis.
        if (livenessProbe?.httpGet !== undefined) expect(['/livez', COMFYUI]).toContain(livenessProbe.httpGet.path);
      }
    }
  });

  it('refers to existing secrets, config maps, claims and accounts', () => {
    for (const load of loads) {
      const spec = podOf(load);
      expect(find('ServiceAccount', spec.serviceAccountName ?? '')).toMatchObject({
        automountServiceAccountToken: false,
      });
      for (const { secret, configMap, persistentVolumeClaim } of spec.volumes ?? []) {
        if (secret !== undefined) expect(SECRETS).toContain(secret.secretName);
        if (configMap !== undefined) expect(find('ConfigMap', configMap.name)).toBeDefined();
        if (persistentVolumeClaim !== undefined) {
          expect(find('PersistentVolumeClaim', persistentVolumeClaim.claimName)).toBeDefined();
        }
      }
      const claims = load.spec?.volumeClaimTemplates?.map(({ metadata }) => metadata.name) ?? [];
      const volumes = [...(spec.volumes ?? []).map(({ name }) => name), ...claims];
      for (const container of containersOf(spec)) {
        for (const { name } of container.volumeMounts ?? []) expect(volumes).toContain(name);
        for (const { configMapRef } of container.envFrom ?? []) {
          expect(find('ConfigMap', configMapRef?.name ?? '')).toBeDefined();
        }
      }
      // Every volume is mounted.
      const mounted = containersOf(spec).flatMap(({ volumeMounts = [] }) => volumeMounts.map(({ name }) => name));
      for (const volume of volumes) expect(mounted).toContain(volume);
    }
  });

  it('gives processes a valid configuration of variables that they read, with secrets as mounted files', () => {
    for (const name of processes) {
      const env = environment(name);
      expect(Object.keys(env).filter((key) => !SETTINGS.has(key) && !NOT_OURS.includes(key))).toEqual([]);
      const mounts = pod(name).containers[0]?.volumeMounts?.map(({ mountPath }) => mountPath) ?? [];
      const files = Object.entries(env).filter(([key]) => key.endsWith('_FILE'));
      expect(files.map(([key]) => key)).toContain('REDIS_URL_FILE');
      for (const [, path] of files)
        expect(
          mounts.some((mount) => path.startsWith(`${mount}/`)),
          path,
        ).toBe(true);
      const rest = Object.fromEntries(Object.entries(env).filter(([key]) => !key.endsWith('_FILE')));
      expect(() => loadConfig({ ...rest, WORKER_NAME: 'worker-x' })).not.toThrow();
    }
  });

  it('gives pods enough time to stop', () => {
    const grace = (name: string) => (pod(name).terminationGracePeriodSeconds ?? 0) - MOST_REST_SECONDS;
    const config = (name: string) => {
      const env = Object.entries(environment(name)).filter(([key]) => !key.endsWith('_FILE'));
      return loadConfig({ ...Object.fromEntries(env), WORKER_NAME: 'worker-x' });
    };
    for (const name of namesOf('worker')) {
      expect(grace(name)).toBeGreaterThanOrEqual(config(name).worker.drainSeconds);
    }
    // Ten more seconds for running requests.
    expect(grace('api')).toBeGreaterThanOrEqual(config('api').http.unreadyMs / 1000 + 10);
    expect(config('api').http.unreadyMs).toBeGreaterThanOrEqual(2 * 3 * 1000);
    expect(grace('dispatcher')).toBeGreaterThanOrEqual(config('dispatcher').webhooks.timeoutMs / 1000);
  });

  it('runs everything unprivileged, with a read-only root file system, without a token, and with resource limits', () => {
    for (const load of loads) {
      const spec = podOf(load);
      expect(spec.automountServiceAccountToken).toBe(false);
      // Service links would set variables such as API_PORT=tcp://…
      expect(spec.enableServiceLinks).toBe(false);
      expect(spec.securityContext).toMatchObject({ runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } });
      for (const { image, securityContext, resources, volumeMounts } of containersOf(spec)) {
        expect(securityContext).toEqual({
          allowPrivilegeEscalation: false,
          readOnlyRootFilesystem: true,
          capabilities: { drop: ['ALL'] },
        });
        expect(Object.keys(resources?.requests ?? {}).sort()).toEqual(['cpu', 'memory']);
        expect(resources?.limits?.memory).toBeDefined();
        const digest = /comfy-fleet(-comfyui)?:/.test(image) ? '' : '@sha256:[0-9a-f]{64}';
        expect(image).toMatch(new RegExp(`:(?!latest)v?\\d[\\w.-]*${digest}$`));
        for (const { mountPath, readOnly } of volumeMounts ?? []) {
          if (/^\/secrets|models$/.test(mountPath)) expect(readOnly, mountPath).toBe(true);
        }
      }
    }
  });

  it('denies all traffic that no policy allows', () => {
    expect(find('NetworkPolicy', 'default-deny')?.spec).toEqual({
      podSelector: {},
      policyTypes: ['Ingress', 'Egress'],
    });
    const ingress = ofKind('NetworkPolicy').flatMap(({ spec }) => (spec?.ingress as { from?: unknown[] }[]) ?? []);
    expect(ingress.length).toBeGreaterThan(1);
    for (const { from } of ingress) expect(from?.length).toBeGreaterThan(0);
  });

  it('runs all roles from one image', () => {
    for (const each of loads) {
      const [{ image, args } = expect.fail()] = podOf(each).containers;
      if (!/comfy-fleet:/.test(image)) continue;
      const role = component(each);
      expect(args).toEqual([role === 'comfyui' ? 'simulator' : role]);
    }
  });

  it('runs each ComfyUI in a separate pod, which reaches nothing and which only workers of its pool reach', () => {
    expect(pools.length).toBeGreaterThan(0);
    for (const each of loads) expect(podOf(each).initContainers).toBeUndefined();
    for (const pool of pools) {
      expect(pod(`comfyui-${pool}`).containers.map(({ name }) => name)).toEqual(['comfyui']);
      const labels = labelsOf(load(`comfyui-${pool}`) ?? expect.fail());
      const policies = ofKind('NetworkPolicy').filter(({ spec }) =>
        Object.entries(spec?.podSelector?.matchLabels ?? {}).every(([key, value]) => labels[key] === value),
      );
      for (const { spec } of policies) expect(spec?.podSelector).not.toHaveProperty('matchExpressions');
      expect(policies.flatMap(({ spec }) => spec?.egress ?? [])).toEqual([]);
      const from = policies.flatMap(
        ({ spec }) => (spec?.ingress as { from: { podSelector: Manifest['spec'] }[] }[]) ?? [],
      );
      expect(from.flatMap((each) => each.from)).toHaveLength(1);
      const [{ podSelector } = expect.fail()] = from[0]?.from ?? [];
      const callers = chosenBy(podSelector?.matchLabels as Record<string, string>);
      expect(callers.map(({ metadata }) => metadata.name)).toEqual([`worker-${pool}`]);
    }
  });

  it('gives each worker the ComfyUI of the same number, and its files for housekeeping', () => {
    for (const pool of pools) {
      const env = environment(`worker-${pool}`);
      const name = `comfyui-${pool}`;
      expect(env).toMatchObject({ WORKER_POOLS: pool, COMFYUI_URLS: `http://${name}-$(POD_INDEX).${name}:8188` });
      expect(find('Service', name)?.spec).toMatchObject({ clusterIP: 'None', ports: [{ port: 8188 }] });
      expect(load(name)?.spec?.serviceName).toBe(name);
      expect(load(name)?.spec?.replicas).toBe(load(`worker-${pool}`)?.spec?.replicas);
      const mounts = (load: string) =>
        pod(load).containers[0]?.volumeMounts?.filter((each) => each.name === 'files') ?? [];
      for (const dir of [env.COMFYUI_INPUT_DIRS, env.COMFYUI_OUTPUT_DIRS, env.COMFYUI_TEMP_DIRS]) {
        const mount = mounts(name).find(({ mountPath }) => mountPath === dir);
        expect(mount).toMatchObject({ subPathExpr: expect.stringMatching(`^${pool}/\\$\\(POD_INDEX\\)/`) });
        expect(mounts(`worker-${pool}`)).toContainEqual(mount);
      }
    }
  });

  it('scales the workers of each pool from zero by its backlog in seconds, and keeps one for each running job', () => {
    const scaled = ofKind('ScaledObject').map(({ metadata }) => metadata.name);
    const isScaled = scaled.length > 0;
    expect(scaled.sort()).toEqual(
      isScaled ? pools.flatMap((pool) => [`comfyui-${pool}`, `worker-${pool}`]).sort() : [],
    );
    for (const pool of isScaled ? pools : []) {
      const workers = find('ScaledObject', `worker-${pool}`)?.spec;
      expect(workers).toMatchObject({
        minReplicaCount: 0,
        scaleTargetRef: { kind: 'StatefulSet', name: `worker-${pool}` },
      });
      const [backlog, ...running] = (workers?.triggers ?? []) as { metadata: Record<string, string> }[];
      expect(backlog).toMatchObject({
        type: 'metrics-api',
        // KEDA divides the value by the number of pods.
        metricType: 'AverageValue',
        metadata: {
          format: 'prometheus',
          valueLocation: `comfy_fleet_backlog_seconds{pool="${pool}"}`,
          activationTargetValue: '0',
        },
      });
      expect(running.map(({ metadata }) => [metadata.valueLocation, metadata.targetValue])).toEqual(
        METRICS.comfy_fleet_queue_jobs?.labels.lod?.map((lod) => [
          `comfy_fleet_queue_jobs{pool="${pool}",lod="${lod}",state="running"}`,
          '1',
        ]),
      );
      expect(new Set(running.map(({ metadata }) => metadata.url))).toEqual(new Set([backlog?.metadata.url]));
      const { hostname, port, pathname } = new URL(backlog?.metadata.url ?? '');
      expect(hostname).toBe('dispatcher.comfy-fleet.svc');
      expect(find('Service', 'dispatcher')?.spec?.ports?.map((each) => `${each.port}`)).toContain(port);
      expect(pathname).toBe('/metrics');
      expect(find('ScaledObject', `comfyui-${pool}`)?.spec).toMatchObject({
        scaleTargetRef: { kind: 'StatefulSet', name: `comfyui-${pool}` },
        maxReplicaCount: workers?.maxReplicaCount,
        triggers: [
          {
            type: 'kubernetes-workload',
            metadata: {
              podSelector: `app.kubernetes.io/component=worker,comfy-fleet/pool=${pool}`,
              value: '1',
            },
          },
        ],
      });
    }
  });

  it('stores pictures either in a volume that api, dispatcher and workers share, or in a bucket', () => {
    for (const name of processes) {
      const mounted = pod(name).containers[0]?.volumeMounts?.some(({ mountPath }) => mountPath === '/data/frames');
      const env = environment(name);
      expect([mounted, env.S3_BUCKET !== undefined]).toEqual(env.FRAMES_STORE === 's3' ? [false, true] : [true, false]);
    }
  });
});

describe('the chart', async () => {
  const production = await rendered(...(VARIANTS['production example'] ?? []));
  const find = (kind: string, name: string, all = production) =>
    all.find((each) => each.kind === kind && each.metadata.name === name) ?? expect.fail(`no ${kind} ${name}`);
  const dataOf = async (...values: string[]) => find('ConfigMap', 'settings', await rendered(...values)).data;

  it('passes helm lint, and has the version of the project', async () => {
    await expect(helm('lint', '--strict', '--quiet', CHART)).resolves.toBe('');
    const { version } = JSON.parse(await textOf('package.json')) as { version: string };
    const chart = parse(await textOf('infra/helm/Chart.yaml'));
    expect(chart).toMatchObject({ version, appVersion: version });
  });

  it('requests one GPU for each ComfyUI', () => {
    const gpus = (name: string) =>
      find('StatefulSet', name).spec?.template?.spec.containers.map(
        ({ resources }) => resources?.limits?.['nvidia.com/gpu'],
      );
    expect([gpus('comfyui-default'), gpus('worker-default')]).toEqual([['1'], [undefined]]);
  });

  it('reaches an external Redis over TLS in production, and accepts jobs after they are in a replica', () => {
    const { data } = find('ConfigMap', 'settings');
    expect(data).toMatchObject({ REDIS_CA_FILE: '/secrets/redis/ca.crt', REDIS_WAIT_REPLICAS: '1' });
    const sets = production.filter(({ kind }) => kind === 'StatefulSet').map(({ metadata }) => metadata.name);
    expect(sets.sort()).toEqual(['comfyui-default', 'worker-default']);
  });

  it('finds the primary through Sentinels', async () => {
    const values = 'redis.mode=sentinel,redis.sentinels={s1:26379,s2:26379},redis.sentinelName=fleet';
    expect(await dataOf('--set', values)).toMatchObject({
      REDIS_SENTINELS: 's1:26379,s2:26379',
      REDIS_SENTINEL_NAME: 'fleet',
    });
  });

  it('drives instances outside the cluster with one worker, a secret and no ComfyUI', async () => {
    const all = await rendered('--set', 'pools[0].name=rented,pools[0].instances.secret=rented,pools[0].workers=4');
    const worker = find('StatefulSet', 'worker-rented', all).spec;
    expect(worker?.replicas).toBe(1);
    expect(worker?.template?.spec.containers[0]?.env).toContainEqual({
      name: 'COMFYUI_INSTANCES_FILE',
      value: '/secrets/instances/instances.yaml',
    });
    expect(all.map(({ metadata }) => metadata.name).filter((name) => name.startsWith('comfyui'))).toEqual([]);
    expect(find('NetworkPolicy', 'worker-rented-to-instances', all).spec?.egress).toEqual([
      { to: [{ ipBlock: { cidr: '0.0.0.0/0' } }], ports: [{ port: 443 }] },
    ]);
  });

  it('creates no claim if an existing one is named', async () => {
    const all = await rendered('--set', 'volumes.models.existingClaim=mine');
    const claims = all.filter(({ kind }) => kind === 'PersistentVolumeClaim').map(({ metadata }) => metadata.name);
    expect(claims.sort()).toEqual(['comfyui-files', 'frames']);
    expect(find('StatefulSet', 'comfyui-default', all).spec?.template?.spec.volumes).toContainEqual({
      name: 'models',
      persistentVolumeClaim: { claimName: 'mine', readOnly: true },
    });
  });

  it('lets workers fetch models into the volume that ComfyUIs read, and opens the internet to them, with models.fetch', async () => {
    const of = (component: string, all: readonly Manifest[]) =>
      find('StatefulSet', `${component}-default`, all).spec?.template?.spec;
    const mountOf = (component: string, all: readonly Manifest[]) =>
      of(component, all)?.containers[0]?.volumeMounts?.find(({ name }) => name === 'models');
    const reaching = (all: readonly Manifest[]) =>
      JSON.stringify(find('NetworkPolicy', 'to-the-internet', all).spec?.podSelector?.matchExpressions);
    const before = await rendered();
    expect([mountOf('worker', before), reaching(before)]).toEqual([undefined, expect.not.stringContaining('worker')]);
    const all = await rendered('--set', 'models.fetch=true', '--set', 'models.secret=model-sources');
    expect(mountOf('worker', all)).toEqual({ name: 'models', mountPath: '/data/comfyui/models' });
    expect(mountOf('comfyui', all)).toMatchObject({ mountPath: '/data/comfyui/models', readOnly: true });
    expect(of('worker', all)?.containers[0]?.env).toEqual(
      expect.arrayContaining([
        { name: 'COMFYUI_MODELS_DIR', value: '/data/comfyui/models' },
        { name: 'MODEL_CREDENTIALS_FILE', value: '/secrets/models/credentials.yaml' },
      ]),
    );
    expect(find('PersistentVolumeClaim', 'comfyui-models', all).spec).toMatchObject({ accessModes: ['ReadWriteMany'] });
    expect(reaching(all)).toContain('worker');
  });

  it('restarts the processes when a setting changes', async () => {
    const digest = async (...values: string[]) =>
      find('Deployment', 'api', await rendered(...values)).spec?.template?.metadata.annotations?.[
        'comfy-fleet/settings'
      ];
    expect(await digest('--set', 'settings.LOG_LEVEL=debug')).not.toBe(await digest());
  });

  it.each([
    ['settings.MAX_STEPS=5', '/settings/MAX_STEPS'],
    ['frames.store=s3', '/frames/s3/bucket'],
    ['redis.mode=sentinel', '/redis/sentinels'],
    ['ingress.enabled=true', '/ingress/host'],
    ['pools[0].name=Large', '/pools/0/name'],
    ['pools[0].name=a,pools[0].worker=2', "'worker' not allowed"],
    ['settings.FRAMES_STORE=s3', 'settings.FRAMES_STORE: the chart sets it from other values'],
    ['settings.WORKER_POOLS=a', 'settings.WORKER_POOLS: the chart sets it from other values'],
    ['pools[0].name=a,pools[1].name=a', 'pools: names must be unique'],
  ])('refuses %s with the reason', async (values, expected) => {
    await expect(rendered('--set', values)).rejects.toThrow(expected);
  });

  it('passes on event streams without buffering, and bodies as large as the API accepts', () => {
    const { annotations = {} } = find('Ingress', 'api').metadata;
    const nginx = (name: string) => annotations[`nginx.ingress.kubernetes.io/${name}`];
    expect(nginx('proxy-buffering')).toBe('off');
    expect(nginx('proxy-request-buffering')).toBe('off');
    expect(nginx('proxy-body-size')).toBe('0');
    expect(Number(nginx('proxy-read-timeout'))).toBeGreaterThan(loadConfig({}).http.maxWaitSeconds);
  });
});

describe('the checks of manifests', () => {
  const good: Manifest = {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'x' },
    spec: {
      selector: { matchLabels: { a: 'b' } } as NonNullable<Manifest['spec']>['selector'] & object,
      template: { metadata: { labels: { a: 'b' } }, spec: { containers: [{ name: 'x', image: 'x:1' }] } },
    },
  };

  it('find a wrong type and a missing field', async () => {
    expect(await faultsOf(good)).toEqual([]);
    const wrong = { ...good, spec: { ...good.spec, replicas: 'two' as unknown as number } };
    expect(await faultsOf(wrong)).toEqual([expect.stringContaining('replicas')]);
    expect(await faultsOf({ ...good, spec: { replicas: 1 } })).toEqual([expect.stringContaining('selector')]);
  });

  it('find a misspelt field of Kubernetes and of KEDA', async () => {
    expect(await unknownFields([good])).toBe('');
    expect(await unknownFields([{ ...good, spec: { ...good.spec, replica: 2 } }])).toMatch(/replica.*does not exist/);
    const spec = { scaleTargetRef: { name: 'x' }, triggers: [], poolingInterval: 3 };
    const keda = { apiVersion: 'keda.sh/v1alpha1', kind: 'ScaledObject', metadata: { name: 'x' }, spec };
    expect(await unknownFields([keda])).toMatch(/poolingInterval.*does not exist/);
  });
});
