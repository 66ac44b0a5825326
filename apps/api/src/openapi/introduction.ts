/** What a reader should know before the routes. Markdown. */
export const INTRODUCTION = `
A durable job API in front of a fleet of ComfyUI GPUs.

**Jobs are asynchronous.** \`POST /generate\` and \`POST /img2img\` answer 202 with the whole job. Then
poll \`GET /jobs/{id}\`, wait with \`?wait=30\`, follow its events, or name a webhook. A job that was accepted ends as
\`succeeded\`, \`failed\`, \`canceled\` or \`expired\`, whatever fails in between.

**Keys.** Send your API key as \`Authorization: Bearer <key>\` or as \`X-API-Key\`. Jobs belong to the key that created
them; other keys cannot see them. A service without keys needs none.

**Errors** are \`application/problem+json\` (RFC 9457) with a \`code\` for programs and a \`detail\` for people. Codes
with the status 429, 503 or 507 may succeed later; \`Retry-After\` says when.

**Repeating a request is safe** with an \`Idempotency-Key\`: it never creates a second job.
`.trim();
