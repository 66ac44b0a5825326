/** The page around Swagger UI. Its paths are relative, so that it also works below a prefix of a proxy. */
export const PAGE = `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>comfy-fleet API</title>
    <link rel="icon" type="image/png" href="docs/favicon-32x32.png">
    <link rel="stylesheet" href="docs/swagger-ui.css">
  </head>
  <body>
    <div id="swagger-ui"></div>
    <noscript>This page needs JavaScript; <a href="openapi.json">openapi.json</a> says the same.</noscript>
    <script src="docs/swagger-ui-bundle.js"></script>
    <script src="docs/start.js"></script>
  </body>
</html>
`;

/**
 * A file of its own, since the page may run no script that stands in it. After "Authorize" it loads the document again
 * with the key, as only then the workflows that the key may run are in it.
 */
export const START_SCRIPT = `let headers = {};
const loadAgain = () => ({
  statePlugins: {
    auth: {
      wrapActions: {
        authorize: (authorize, system) => (given) => {
          headers = {
            ...(given.bearer && { Authorization: 'Bearer ' + given.bearer.value }),
            ...(given.apiKey && { 'X-API-Key': given.apiKey.value }),
          };
          authorize(given);
          system.specActions.download(system.specSelectors.url());
        },
      },
    },
  },
});
window.SwaggerUIBundle({
  url: 'openapi.json',
  dom_id: '#swagger-ui',
  deepLinking: true,
  docExpansion: 'list',
  defaultModelsExpandDepth: 0,
  displayRequestDuration: true,
  persistAuthorization: false,
  validatorUrl: null,
  plugins: [loadAgain],
  requestInterceptor: (request) => {
    if (request.loadSpec) Object.assign(request.headers, headers);
    return request;
  },
});
`;

/**
 * What the page may do: its own scripts and styles, nothing from elsewhere, no inline script or style. Pictures as
 * data: URLs are Swagger UI's icons and the answers that it shows.
 */
export const PAGE_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data: blob:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');
