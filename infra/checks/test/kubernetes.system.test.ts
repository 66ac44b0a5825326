import { readdir } from 'node:fs/promises';
import { loadConfig } from '@comfy-fleet/config';
import { describe, expect, it } from 'vitest';
import { stagesOf } from './support/dockerfile.js';
import { ROOT, SETTINGS, textOf } from './support/files.js';
import { containersOf, faultsOf, type Manifest, type PodSpec, rendered, unknownFields } from './support/kubernetes.js';
import { METRICS } from './support/metrics.js';

const overlays = (await readdir(`${ROOT}/infra/kubernetes/overlays`)).sort();
/** Made by hand, as the overlays say at their top. */
const SECRETS = ['comfy-fleet-redis', 'comfy-fleet-keys', 'comfy-fleet-s3'];
/** Read by the AWS SDK itself; part of an address. */
const NOT_OURS = ['AWS_SHARED_CREDENTIALS_FILE', 'POD_INDEX'];
/** After DRAIN_SECONDS, UNREADY_SECONDS or WEBHOOK_TIMEOUT_MS, what a process may take for the rest. */
const MOST_REST_SECONDS = 10;
const COMFYUI = '/system_stats';
const PATHS = ['/livez', '/readyz', COMFYUI];

const imagePorts = async (app: string) =>
  stagesOf(await textOf(`infra/docker/${app}.Dockerfile`)).at(-1)?.exposed ?? expect.fail(app);

describe.each(overlays)('the overlay %s', async (overlay) => {
  const all = await rendered(overlay);
  const ofKind = (kind: string) => all.filter((each) => each.kind === kind);
  const find = (kind: string, name: string) => ofKind(kind).find(({ metadata }) => metadata.name === name);
  const loads = all.filter(({ spec }) => spec?.template !== undefined);
  const podOf = ({ spec }: Manifest): PodSpec => spec?.template?.spec ?? expect.fail('no pod');
  const labelsOf = ({ spec }: Manifest) => spec?.template?.metadata.labels ?? {};
  const load = (name: string) => find('Deployment', name) ?? find('StatefulSet', name);
  const pod = (name: string) => podOf(load(name) ?? expect.fail(`no pods ${name}`));
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

  it('keeps to the schemas of Kubernetes and KEDA, and has no field that they do not know', async () => {
    expect(all.length).toBeGreaterThan(15);
    expect((await Promise.all(all.map(faultsOf))).flat()).toEqual([]);
    expect(await unknownFields(all)).toBe('');
  });

  it('is one namespace, in which no two things have one name', () => {
    expect(new Set(all.map(({ metadata }) => metadata.namespace))).toEqual(new Set(['comfy-fleet']));
    const names = all.map(({ kind, metadata }) => `${kind} ${metadata.name}`);
    expect(new Set(names).size).toBe(names.length);
  });

  it('selects pods that there are: by deployments themselves, services, budgets, policies and scalers', () => {
    expect(loads.map(({ metadata }) => metadata.name)).toEqual(expect.arrayContaining(['api', 'dispatcher', 'worker']));
    for (const load of loads) expect(chosenBy(load.spec?.selector?.matchLabels)).toEqual([load]);
    for (const { spec } of ofKind('Service'))
      expect(chosenBy(spec?.selector as Record<string, string>)).toHaveLength(1);
    for (const { spec } of ofKind('PodDisruptionBudget')) expect(chosenBy(spec?.selector?.matchLabels)).toHaveLength(1);
    for (const { spec } of ofKind('NetworkPolicy')) expect(chosenBy(spec?.podSelector?.matchLabels)).not.toEqual([]);
    const scaled = ['HorizontalPodAutoscaler', 'ScaledObject'].flatMap(ofKind);
    for (const { spec } of scaled) {
      const { kind = 'Deployment', name = '' } = spec?.scaleTargetRef ?? {};
      const target = find(kind, name);
      expect(target?.spec?.replicas, 'the number would be set back with every apply').toBeUndefined();
      expect(target).toBeDefined();
    }
  });

  it('has ports under the names and numbers that others use', async () => {
    for (const { spec } of ofKind('Service')) {
      const [load] = chosenBy(spec?.selector as Record<string, string>);
      const names = containersOf(podOf(load ?? expect.fail())).flatMap(({ ports = [] }) =>
        ports.map(({ name }) => name),
      );
      for (const { targetPort } of spec?.ports ?? []) expect(names).toContain(targetPort);
    }
    for (const name of ['api', 'dispatcher', 'worker', 'comfyui']) {
      const ports = pod(name).containers[0]?.ports?.map(({ containerPort }) => containerPort) ?? [];
      expect(ports).toEqual(await imagePorts(name));
      const scraped = load(name)?.spec?.template?.metadata.annotations?.['prometheus.io/port'];
      if (name === 'comfyui') expect(scraped).toBeUndefined();
      else expect(ports.map(String)).toContain(scraped);
    }
  });

  it('asks for health where the processes answer', () => {
    for (const load of loads) {
      for (const container of podOf(load).containers) {
        const { livenessProbe, readinessProbe, startupProbe, ports = [] } = container;
        for (const probe of [startupProbe, livenessProbe, readinessProbe]) {
          expect(probe?.httpGet ?? probe?.exec, `${load.metadata.name} lacks a probe`).toBeDefined();
          if (probe?.httpGet === undefined) continue;
          expect(PATHS).toContain(probe.httpGet.path);
          expect(ports.map(({ name }) => name)).toContain(probe.httpGet.port);
        }
        // what waits for Redis is not to be killed for it
        if (livenessProbe?.httpGet !== undefined) expect(['/livez', COMFYUI]).toContain(livenessProbe.httpGet.path);
      }
    }
  });

  it('refers to secrets, config maps, claims and accounts that there are', () => {
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
      // nothing is left over that nobody mounts
      const mounted = containersOf(spec).flatMap(({ volumeMounts = [] }) => volumeMounts.map(({ name }) => name));
      for (const volume of volumes) expect(mounted).toContain(volume);
    }
  });

  it('gives the processes only variables that they read, secrets as paths of mounted files, and a configuration that loads', () => {
    for (const name of ['api', 'dispatcher', 'worker']) {
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

  it('lets pods run as long after they were told to end as their processes take', () => {
    const grace = (name: string) => (pod(name).terminationGracePeriodSeconds ?? 0) - MOST_REST_SECONDS;
    const config = (name: string) => {
      const { REDIS_URL_FILE, REDIS_CA_FILE, ...rest } = environment(name);
      return loadConfig({ ...rest, WORKER_NAME: 'worker-x' });
    };
    expect(grace('worker')).toBeGreaterThanOrEqual(config('worker').worker.drainSeconds);
    // and ten for the requests under way
    expect(grace('api')).toBeGreaterThanOrEqual(config('api').http.unreadyMs / 1000 + 10);
    expect(config('api').http.unreadyMs).toBeGreaterThanOrEqual(2 * 3 * 1000);
    expect(grace('dispatcher')).toBeGreaterThanOrEqual(config('dispatcher').webhooks.timeoutMs / 1000);
  });

  it('runs everything without rights, with a read-only root file system and no token, and says what it needs', () => {
    for (const load of loads) {
      const spec = podOf(load);
      expect(spec.automountServiceAccountToken).toBe(false);
      // variables like API_PORT=tcp://… for each service
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
        const digest = /comfy-fleet-\w+:/.test(image) ? '' : '@sha256:[0-9a-f]{64}';
        expect(image).toMatch(new RegExp(`:(?!latest)v?\\d[\\w.-]*${digest}$`));
        for (const { mountPath, readOnly } of volumeMounts ?? []) {
          if (/^\/secrets|models$/.test(mountPath)) expect(readOnly, mountPath).toBe(true);
        }
      }
    }
  });

  it('denies all traffic that no policy names', () => {
    expect(find('NetworkPolicy', 'default-deny')?.spec).toEqual({
      podSelector: {},
      policyTypes: ['Ingress', 'Egress'],
    });
    const ingress = ofKind('NetworkPolicy').flatMap(({ spec }) => (spec?.ingress as { from?: unknown[] }[]) ?? []);
    expect(ingress.length).toBeGreaterThan(1);
    for (const { from } of ingress) expect(from?.length).toBeGreaterThan(0);
  });

  it('has ComfyUI in pods of its own, which workers reach and which reach nothing', () => {
    expect(
      loads.flatMap((each) => containersOf(podOf(each)).map(({ name }) => [each.metadata.name, name])),
    ).toContainEqual(['comfyui', 'comfyui']);
    for (const each of loads) if (each.metadata.name !== 'comfyui') expect(podOf(each).initContainers).toBeUndefined();
    const labels = labelsOf(load('comfyui') ?? expect.fail());
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
    expect(chosenBy(podSelector?.matchLabels as Record<string, string>).map(({ metadata }) => metadata.name)).toEqual([
      'worker',
    ]);
  });

  it('gives each worker the ComfyUI of its number, and the disk that it cleans', () => {
    const { COMFYUI_URLS, COMFYUI_INPUT_DIRS, COMFYUI_OUTPUT_DIRS, COMFYUI_TEMP_DIRS } = environment('worker');
    expect(COMFYUI_URLS).toBe('http://comfyui-$(POD_INDEX).comfyui:8188');
    expect(find('Service', 'comfyui')?.spec).toMatchObject({ clusterIP: 'None', ports: [{ port: 8188 }] });
    expect(load('comfyui')?.spec?.serviceName).toBe('comfyui');
    expect(load('comfyui')?.spec?.replicas).toBe(load('worker')?.spec?.replicas);
    const mounts = (name: string) =>
      pod(name).containers[0]?.volumeMounts?.filter((each) => each.name === 'files') ?? [];
    for (const dir of [COMFYUI_INPUT_DIRS, COMFYUI_OUTPUT_DIRS, COMFYUI_TEMP_DIRS]) {
      const mount = mounts('comfyui').find(({ mountPath }) => mountPath === dir);
      expect(mount).toMatchObject({ subPathExpr: expect.stringMatching(/^\$\(POD_INDEX\)\//) });
      expect(mounts('worker')).toContainEqual(mount);
    }
  });

  it('keeps pictures either on a disk that api, dispatcher and workers share, or in a bucket', () => {
    for (const name of ['api', 'dispatcher', 'worker']) {
      const mounted = pod(name).containers[0]?.volumeMounts?.some(({ mountPath }) => mountPath === '/data/frames');
      const env = environment(name);
      expect([mounted, env.FRAMES_STORE, env.S3_BUCKET !== undefined]).toEqual(
        env.FRAMES_STORE === 's3' ? [false, 's3', true] : [true, undefined, false],
      );
    }
  });
});

describe('the overlay production', async () => {
  const all = await rendered('production');
  const find = (kind: string, name: string) =>
    all.find((each) => each.kind === kind && each.metadata.name === name) ?? expect.fail(`no ${kind} ${name}`);

  it('takes one GPU for each worker, for ComfyUI', () => {
    const gpus = (name: string) =>
      find('StatefulSet', name).spec?.template?.spec.containers.map(
        ({ resources }) => resources?.limits?.['nvidia.com/gpu'],
      );
    expect([gpus('comfyui'), gpus('worker')]).toEqual([['1'], [undefined]]);
  });

  it('reaches a Redis of its own over TLS, and has jobs in a replica before they are accepted', () => {
    const settings = all.find(({ kind, metadata }) => kind === 'ConfigMap' && metadata.name.startsWith('settings-'));
    expect(settings?.data).toMatchObject({ REDIS_CA_FILE: '/secrets/redis/ca.crt', REDIS_WAIT_REPLICAS: '1' });
    const sets = all.filter(({ kind }) => kind === 'StatefulSet').map(({ metadata }) => metadata.name);
    expect(sets.sort()).toEqual(['comfyui', 'worker']);
  });

  it('scales workers from none on by the seconds of work that wait, as the dispatcher tells them, and takes none from what runs', () => {
    const { spec } = find('ScaledObject', 'worker');
    expect(spec).toMatchObject({ minReplicaCount: 0, scaleTargetRef: { kind: 'StatefulSet', name: 'worker' } });
    const [backlog, ...running] = (spec?.triggers ?? []) as { metadata: Record<string, string> }[];
    expect(backlog).toMatchObject({
      type: 'metrics-api',
      // the value is divided by the pods there are
      metricType: 'AverageValue',
      metadata: {
        format: 'prometheus',
        valueLocation: 'comfy_fleet_backlog_seconds{pool="default"}',
        activationTargetValue: '0',
      },
    });
    expect(running.map(({ metadata }) => [metadata.valueLocation, metadata.targetValue])).toEqual(
      METRICS.comfy_fleet_queue_jobs?.labels.lod?.map((lod) => [
        `comfy_fleet_queue_jobs{pool="default",lod="${lod}",state="running"}`,
        '1',
      ]),
    );
    expect(new Set(running.map(({ metadata }) => metadata.url))).toEqual(new Set([backlog?.metadata.url]));
    const { hostname, port, pathname } = new URL(backlog?.metadata.url ?? '');
    const [name = '', namespace, svc] = hostname.split('.');
    const service = find('Service', name);
    expect([namespace, svc]).toEqual([service.metadata.namespace, 'svc']);
    expect(service.spec?.ports?.map((each) => `${each.port}`)).toContain(port);
    expect(pathname).toBe('/metrics');
    const pools = find('StatefulSet', 'worker').spec?.template?.spec.containers[0]?.env;
    expect(pools).toContainEqual({ name: 'WORKER_POOLS', value: 'default' });
  });

  it('scales ComfyUIs with the workers', () => {
    expect(find('ScaledObject', 'comfyui').spec).toMatchObject({
      scaleTargetRef: { kind: 'StatefulSet', name: 'comfyui' },
      maxReplicaCount: find('ScaledObject', 'worker').spec?.maxReplicaCount,
      triggers: [
        {
          type: 'kubernetes-workload',
          metadata: {
            podSelector: 'app.kubernetes.io/name=comfy-fleet,app.kubernetes.io/component=worker',
            value: '1',
          },
        },
      ],
    });
  });

  it('passes event streams on as they come, and bodies as large as the api takes', () => {
    const { annotations = {} } = find('Ingress', 'api').metadata;
    const nginx = (name: string) => annotations[`nginx.ingress.kubernetes.io/${name}`];
    expect(nginx('proxy-buffering')).toBe('off');
    expect(nginx('proxy-request-buffering')).toBe('off');
    const { images, http } = loadConfig({});
    const most = Number(/^(\d+)m$/.exec(nginx('proxy-body-size') ?? '')?.[1]) * 2 ** 20;
    expect(most).toBeGreaterThan((images.maxBytes * 4) / 3 + http.maxJsonBytes);
    expect(Number(nginx('proxy-read-timeout'))).toBeGreaterThan(http.maxWaitSeconds);
  });
});

describe('the checks themselves', () => {
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

  it('find a field that is misspelt, of Kubernetes and of KEDA', async () => {
    expect(await unknownFields([good])).toBe('');
    expect(await unknownFields([{ ...good, spec: { ...good.spec, replica: 2 } }])).toMatch(/replica.*does not exist/);
    const spec = { scaleTargetRef: { name: 'x' }, triggers: [], poolingInterval: 3 };
    const keda = { apiVersion: 'keda.sh/v1alpha1', kind: 'ScaledObject', metadata: { name: 'x' }, spec };
    expect(await unknownFields([keda])).toMatch(/poolingInterval.*does not exist/);
  });
});
