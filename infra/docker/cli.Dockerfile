# The command line, for operators: docker run … doctor.
#   docker build -f infra/docker/cli.Dockerfile -t comfy-fleet-cli .

# Up to its last line this stage is the same in the files of all apps, and built once for them.
FROM node:24-slim@sha256:a9f5f7c91a432850b2a8a7797adf5eadb6c733ceed61167806cee7ea7fbc29df AS build
ENV CI=true TURBO_TELEMETRY_DISABLED=1 DO_NOT_TRACK=1
WORKDIR /src
# Everything that the lockfile names is fetched before the sources come, so that a change of code costs no download.
COPY package.json pnpm-lock.yaml pnpm-workspace.yaml ./
RUN npm install --global "$(node -p 'require("./package.json").packageManager')" && pnpm fetch
COPY . .
RUN pnpm install --offline --frozen-lockfile
RUN node infra/build/build.mjs apps/cli && node infra/docker/deploy.mjs cli /out

FROM node:24-slim@sha256:a9f5f7c91a432850b2a8a7797adf5eadb6c733ceed61167806cee7ea7fbc29df
ENV NODE_ENV=production FRAMES_DIR=/data/frames
WORKDIR /app
# What installs packages is not needed to run. A volume takes its owner from the image.
RUN rm -rf /usr/local/lib/node_modules /usr/local/bin/npm /usr/local/bin/npx /usr/local/bin/corepack \
      /usr/local/bin/yarn /usr/local/bin/yarnpkg /opt/yarn-* \
 && install --directory --owner=node --group=node /data/frames /data/comfyui
COPY workflows ./workflows
COPY --from=build /out ./
# The user `node`, as a number for Kubernetes to see that it is not root.
USER 1000:1000
# It does what it is told and ends: there is nothing to ask for its health.
ENTRYPOINT ["node", "dist/main.js"]
CMD ["doctor"]
