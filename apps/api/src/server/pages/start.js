// @ts-nocheck: it runs in browsers. A file of its own, because the page may run no inline script. After "Authorize" it
// loads the document again with the key, because only then the workflows that the key may run are in it.
let headers = {};
const loadAgain = () => ({
  statePlugins: {
    auth: {
      wrapActions: {
        authorize: (authorize, system) => (given) => {
          headers = {
            ...(given.bearer && { Authorization: `Bearer ${given.bearer.value}` }),
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
