# Delivers webhooks and keeps house.
#   docker build -f infra/docker/dispatcher.Dockerfile -t comfy-fleet-dispatcher .

# Up to its last line this stage is the same in the files of all apps, and built once for them.
FROM node:24-slim@sha256:a9f5f7c91a432850b2a8a7797adf5eadb6c733ceed61167806cee7ea7fbc29df AS build
ENV CI=true TURBO_TELEMETRY_DISABLED=1 DO_NOT_TRACK=1
WORKDIR /src
# Everything that the lockfile names is fetched before the sources come, so that a change of code costs no download.
COPY package.json pnpm-lock.yaml pnpm-workspace.yaml ./
RUN npm install --global "$(node -p 'require("./package.json").packageManager')" && pnpm fetch
COPY . .
RUN pnpm install --offline --frozen-lockfile
RUN node infra/build/build.mjs apps/dispatcher && node infra/docker/deploy.mjs dispatcher /out

FROM node:24-slim@sha256:a9f5f7c91a432850b2a8a7797adf5eadb6c733ceed61167806cee7ea7fbc29df
ENV NODE_ENV=production LOG_FORMAT=json \
    DISPATCHER_HEALTH_HOST=0.0.0.0 DISPATCHER_HEALTH_PORT=3002 FRAMES_DIR=/data/frames
WORKDIR /app
# What installs packages is not needed to run. A volume takes its owner from the image.
RUN rm -rf /usr/local/lib/node_modules /usr/local/bin/npm /usr/local/bin/npx /usr/local/bin/corepack \
      /usr/local/bin/yarn /usr/local/bin/yarnpkg /opt/yarn-* \
 && install --directory --owner=node --group=node /data/frames
COPY infra/docker/healthcheck.mjs ./
COPY --from=build /out ./
# The user `node`, as a number for Kubernetes to see that it is not root.
USER 1000:1000
EXPOSE 3002
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["node", "healthcheck.mjs", "http://127.0.0.1:3002/readyz"]
# It handles SIGTERM itself and starts no children, so it can be process 1.
CMD ["node", "dist/main.js"]
