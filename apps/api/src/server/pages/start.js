// @ts-nocheck: this runs in browsers. It is a separate file because the page's policy forbids inline scripts. After
// "Authorize" it reloads the document with the key, so that it includes the workflows that the key may run.
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
// Swagger UI has a dark theme, but does not choose it by itself.
document.documentElement.classList.toggle('dark-mode', matchMedia('(prefers-color-scheme: dark)').matches);
window.SwaggerUIBundle({
  url: '../openapi.json',
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
