import type { Output } from '@comfy-fleet/client';
import { useEffect, useRef, useState } from 'react';
import {
  ACESFilmicToneMapping,
  Box3,
  DirectionalLight,
  HemisphereLight,
  PerspectiveCamera,
  Scene,
  Sphere,
  TextureLoader,
  WebGLRenderer,
} from 'three';
import { OrbitControls } from 'three/addons/controls/OrbitControls.js';
import { GLTFLoader } from 'three/addons/loaders/GLTFLoader.js';
import { Fault } from './fault.js';

/** A 3D model that turns by itself until the user turns it with the pointer or arrow keys. */
export function ModelView({ output, alt }: { readonly output: Output; readonly alt: string }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const [error, setError] = useState<Error>();
  const [isReady, setReady] = useState(false);
  const { url } = output;
  // biome-ignore lint/correctness/useExhaustiveDependencies: each snapshot has a new object for the same file
  useEffect(() => {
    const leaving = new AbortController();
    let model: TurnedModel | undefined;
    const show = async () => {
      const data = await (await output.download({ signal: leaving.signal })).arrayBuffer();
      if (canvas.current === null || leaving.signal.aborted) return;
      model = await showModel(canvas.current, data);
      if (leaving.signal.aborted) model.close();
      else setReady(true);
    };
    show().catch((cause: unknown) => {
      if (!leaving.signal.aborted) setError(cause instanceof Error ? cause : new Error(String(cause)));
    });
    return () => {
      leaving.abort();
      model?.close();
    };
  }, [url]);
  if (error !== undefined) {
    return (
      <div className="model">
        <Fault error={error} />
        <a href={output.link()} download>
          Download {output.filename}
        </a>
      </div>
    );
  }
  return (
    <canvas
      ref={canvas}
      className="model-canvas"
      data-ready={isReady}
      aria-label={`${alt}: 3D model. Drag it or press the arrows to turn it, scroll or press + and − to zoom.`}
      role="img"
      aria-busy={!isReady}
      tabIndex={0}
    />
  );
}

/** A model on display. */
export interface TurnedModel {
  /** Stops rendering and frees GPU memory. */
  close(): void;
}

const VIEW_DEGREES = 40;
const STEP = Math.PI / 16;

/** Shows a GLB file in the canvas. Rejects with a message for the user. */
export async function showModel(canvas: HTMLCanvasElement, data: ArrayBuffer): Promise<TurnedModel> {
  const renderer = rendererOn(canvas);
  const scene = new Scene();
  const { scene: model } = await parse(data).catch((cause: unknown) => {
    renderer.dispose();
    throw new Error('This model cannot be shown here; download it to see it elsewhere.', { cause });
  });
  scene.add(model, new HemisphereLight('#ffffff', '#888899', 2));
  const { center, radius } = new Box3().setFromObject(model).getBoundingSphere(new Sphere());
  const size = radius || 1;
  const distance = size / Math.sin((VIEW_DEGREES / 360) * Math.PI);
  const camera = new PerspectiveCamera(VIEW_DEGREES, 1, distance / 100, distance * 10);
  camera.position.copy(center).add({ x: distance * 0.5, y: distance * 0.35, z: distance * 0.8 });
  const sun = new DirectionalLight('#ffffff', 2);
  sun.position.copy(camera.position);
  scene.add(sun);

  const controls = new OrbitControls(camera, canvas);
  controls.target.copy(center);
  controls.enablePan = false;
  controls.minDistance = size / 2;
  controls.maxDistance = distance * 4;
  // Respect the user's preference for less motion.
  controls.autoRotate = !matchMedia('(prefers-reduced-motion: reduce)').matches;
  controls.addEventListener('start', () => {
    controls.autoRotate = false;
  });
  const onKey = (event: KeyboardEvent) => {
    const turn = TURNS[event.key];
    if (turn === undefined) return;
    event.preventDefault();
    controls.autoRotate = false;
    turn(camera, controls);
  };
  canvas.addEventListener('keydown', onKey);
  const fit = () => {
    const { clientWidth: width, clientHeight: height } = canvas;
    renderer.setSize(width, height, false);
    camera.aspect = width / Math.max(1, height);
    camera.updateProjectionMatrix();
  };
  const resizing = new ResizeObserver(fit);
  resizing.observe(canvas);
  fit();
  renderer.setAnimationLoop(() => {
    controls.update();
    renderer.render(scene, camera);
  });
  return {
    close: () => {
      renderer.setAnimationLoop(null);
      canvas.removeEventListener('keydown', onKey);
      resizing.disconnect();
      controls.dispose();
      renderer.dispose();
    },
  };
}

function rendererOn(canvas: HTMLCanvasElement): WebGLRenderer {
  try {
    const renderer = new WebGLRenderer({ canvas, antialias: true, alpha: true });
    renderer.setPixelRatio(Math.min(devicePixelRatio, 2));
    renderer.toneMapping = ACESFilmicToneMapping;
    return renderer;
  } catch (cause) {
    throw new Error('This browser cannot show 3D models (WebGL is off); download it to see it elsewhere.', { cause });
  }
}

function parse(data: ArrayBuffer) {
  const loader = new GLTFLoader();
  loader.register((parser) => {
    // The default texture loader fetches blob: URLs, which the page's content security policy forbids.
    parser.textureLoader = new TextureLoader(parser.options.manager);
    return { name: 'pictures-as-elements' };
  });
  return loader.parseAsync(data, '');
}

type Turn = (camera: PerspectiveCamera, controls: OrbitControls) => void;

const TURNS: Readonly<Record<string, Turn>> = {
  ArrowLeft: (camera, controls) => orbit(camera, controls, STEP),
  ArrowRight: (camera, controls) => orbit(camera, controls, -STEP),
  '+': (camera, controls) => approach(camera, controls, 0.85),
  '-': (camera, controls) => approach(camera, controls, 1 / 0.85),
};

function orbit(camera: PerspectiveCamera, { target }: OrbitControls, angle: number): void {
  const arm = camera.position.clone().sub(target).applyAxisAngle(camera.up, angle);
  camera.position.copy(target).add(arm);
}

function approach(camera: PerspectiveCamera, { target }: OrbitControls, factor: number): void {
  camera.position.sub(target).multiplyScalar(factor).add(target);
}
