/** A GLB of a tetrahedron in one colour (0–1 each), with `extras` where ComfyUI stores the prompt. */
export function glb(colour: readonly [number, number, number], extras: Readonly<Record<string, string>>): Buffer {
  const corners = [1, 1, 1, -1, -1, 1, -1, 1, -1, 1, -1, -1];
  const faces = [0, 1, 3, 0, 3, 2, 0, 2, 1, 1, 2, 3];
  const binary = Buffer.concat([
    Buffer.from(new Float32Array(corners).buffer),
    Buffer.from(new Uint16Array(faces).buffer),
  ]);
  const length = corners.length * 4;
  const description = {
    asset: { version: '2.0', generator: 'ComfyUI', extras },
    scene: 0,
    scenes: [{ nodes: [0] }],
    nodes: [{ mesh: 0 }],
    meshes: [{ primitives: [{ attributes: { POSITION: 0 }, indices: 1, material: 0 }] }],
    materials: [{ doubleSided: true, pbrMetallicRoughness: { baseColorFactor: [...colour, 1] } }],
    accessors: [
      { bufferView: 0, componentType: 5126, count: 4, type: 'VEC3', min: [-1, -1, -1], max: [1, 1, 1] },
      { bufferView: 1, componentType: 5123, count: faces.length, type: 'SCALAR' },
    ],
    bufferViews: [
      { buffer: 0, byteOffset: 0, byteLength: length, target: 34962 },
      { buffer: 0, byteOffset: length, byteLength: binary.length - length, target: 34963 },
    ],
    buffers: [{ byteLength: binary.length }],
  };
  const json = Buffer.from(JSON.stringify(description));
  const padded = Buffer.concat([json, Buffer.alloc(-json.length & 3, ' ')]);
  const chunks = [header(padded.length, 0x4e4f534a), padded, header(binary.length, 0x004e4942), binary];
  const start = Buffer.alloc(12);
  start.write('glTF');
  start.writeUInt32LE(2, 4);
  start.writeUInt32LE(12 + chunks.reduce((sum, { length: bytes }) => sum + bytes, 0), 8);
  return Buffer.concat([start, ...chunks]);
}

function header(length: number, type: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt32LE(length, 0);
  bytes.writeUInt32LE(type, 4);
  return bytes;
}
