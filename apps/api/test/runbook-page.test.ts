import { readFile } from 'node:fs/promises';
import { Marked } from 'marked';
import { expect, it } from 'vitest';

/** The page, which `vitest -u` regenerates. */
const PAGE = '../src/server/pages/runbook.html';

/** Heading ids as GitHub forms them. */
const anchor = (heading: string) => heading.toLowerCase().replace(/[^\w]+/g, '-');

const marked = new Marked({
  renderer: {
    heading({ tokens, depth, text }) {
      return `<h${depth} id="${anchor(text)}">${this.parser.parseInline(tokens)}</h${depth}>\n`;
    },
    // No other guide is served.
    link({ href, tokens }) {
      const text = this.parser.parseInline(tokens);
      return href.startsWith('#') ? `<a href="${href}">${text}</a>` : `${text} (<code>docs/${href}</code>)`;
    },
  },
});

it('has the content of docs/runbook.md', async () => {
  const html = await marked.parse(await readFile(new URL('../../../docs/runbook.md', import.meta.url), 'utf8'));
  const page = `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>comfy-fleet runbook</title>
    <link rel="icon" type="image/png" href="favicon-32x32.png">
    <link rel="stylesheet" href="runbook.css">
  </head>
  <body>
    <main>
${html}    </main>
  </body>
</html>
`;
  await expect(page).toMatchFileSnapshot(PAGE);
});
