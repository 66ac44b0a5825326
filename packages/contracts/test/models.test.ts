import { expect, it } from 'vitest';
import { MODEL_NAME_PATTERN, MODEL_SOURCE_PATTERN } from '../src/models.js';

const name = new RegExp(MODEL_NAME_PATTERN, 'u');
const source = new RegExp(MODEL_SOURCE_PATTERN, 'u');

it.each(['a.safetensors', 'sdxl/detail v2.safetensors', 'a/b/c.pt', 'Ünïcode (1).gguf', 'v1.5.ckpt'])(
  'takes %s as the name of a model',
  (text) => {
    expect(text).toMatch(name);
  },
);

it.each([
  ['an absolute path', '/a.safetensors'],
  ['the folder above', '../a.safetensors'],
  ['the folder above inside a path', 'a/../b.safetensors'],
  ['the folder of the fleet', '.comfy-fleet/a.safetensors'],
  ['an empty part', 'a//b.safetensors'],
  ['a backslash', 'a\\b.safetensors'],
  ['a drive', 'c:a.safetensors'],
  ['a line break', 'a\nb.safetensors'],
  ['another extension', 'a.txt'],
  ['no name', '.safetensors'],
])('refuses %s in the name of a model', (_what, text) => {
  expect(text).not.toMatch(name);
});

it.each([
  'https://example.com/a.safetensors?download=1',
  'http://127.0.0.1:8000/a',
  'hf:owner/repo/folder/a.safetensors@main',
  'hf:owner/repo/a.safetensors',
  'civitai:12345',
  's3://bucket/folder/a.safetensors',
])('takes %s as a source', (text) => {
  expect(text).toMatch(source);
});

it.each([
  'https://user:secret@example.com/a.safetensors',
  'https://token@example.com',
  'ftp://example.com/a',
  'file:///etc/passwd',
  'hf:owner/repo',
  'civitai:abc',
  's3://bucket',
])('refuses %s as a source', (text) => {
  expect(text).not.toMatch(source);
});
