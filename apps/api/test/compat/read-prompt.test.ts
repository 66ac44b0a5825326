import { expect, it } from 'vitest';
import { readPrompt } from '../../src/compat/comfyui/prompts/read-prompt.js';
import { createTemplates } from '../../src/compat/comfyui/prompts/templates.js';

it.each([
  ['nothing secret', '{"prompt":{},"extra_data":{}}', true],
  ['a secret', '{"prompt":{},"extra_data":{"api_key_comfy_org":"s"}}', false],
  ['a secret under an escaped name', '{"prompt":{},"extra_data":{"auth_token_comfy\\u005forg":"s"}}', false],
  ['a secret that another replaces', '{"prompt":{},"extra_data":{"api_key_comfy_org":"s"},"extra_data":{}}', false],
  ['more than is remembered', `{"prompt":{},"extra_data":{"a":"${'x'.repeat(32 * 1024)}"}}`, false],
])('has a text remembered or not: one with %s', (_, body, isRemembered) => {
  const { text } = readPrompt({ data: Buffer.from(body), contentType: 'application/json' }, createTemplates());
  expect(text.learn !== undefined).toBe(isRemembered);
});
