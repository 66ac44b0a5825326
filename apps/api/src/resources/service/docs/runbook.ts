import { RUNBOOK_HTML } from './runbook-html.js';

/** The name of the page among those of the documentation. */
export const RUNBOOK_NAME = 'runbook.html';
/** Its heading of an alert is that alert's name in lower case. */
export const RUNBOOK_PATH = `/docs/${RUNBOOK_NAME}`;

/** docs/runbook.md for browsers. */
export const RUNBOOK_PAGE = `<!doctype html>
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
${RUNBOOK_HTML}    </main>
  </body>
</html>
`;

export const RUNBOOK_STYLE = `:root {
  color-scheme: light dark;
}
body {
  margin: 0;
  padding: 1.5rem;
  background: light-dark(#fff, #16181d);
  color: light-dark(#1b1e24, #e4e6eb);
  font: 1rem/1.6 system-ui, sans-serif;
}
main {
  max-width: 46rem;
  margin: 0 auto;
}
h2 {
  margin-top: 2.5rem;
}
h2:target {
  outline: 2px solid light-dark(#2f5bd7, #8fb0ff);
  outline-offset: 0.4rem;
}
a {
  color: light-dark(#2f5bd7, #8fb0ff);
}
code,
pre {
  background: light-dark(#f0f2f6, #23262e);
  font: 0.9em ui-monospace, monospace;
  overflow-wrap: anywhere;
}
pre {
  padding: 0.8rem;
  overflow-x: auto;
}
`;
