# The gateway alone: built to plain JavaScript, run as an ordinary user.
FROM node:26-bookworm-slim AS build
WORKDIR /src
COPY package.json package-lock.json .npmrc tsconfig.json tsconfig.build.json ./
# The compiler is a dev dependency; the `node` package among them is skipped by its script, the image has that Node.
RUN npm ci --ignore-scripts
COPY src ./src
RUN npx tsc -p tsconfig.build.json && npm prune --omit=dev --ignore-scripts

FROM node:26-bookworm-slim AS gateway
ENV NODE_ENV=production SLUICE_HOST=0.0.0.0 SLUICE_ADMIN_HOST=127.0.0.1
WORKDIR /app
COPY --from=build /src/node_modules ./node_modules
COPY --from=build /src/dist ./dist
COPY package.json ./
COPY bin ./bin
COPY protos ./protos
USER 1000
EXPOSE 8080
HEALTHCHECK --interval=5s --timeout=2s --start-period=5s --retries=3 \
  CMD ["node", "-e", "fetch('http://127.0.0.1:9901/readyz').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "bin/sluice.js"]
CMD ["serve", "--config", "/etc/sluice/routes.yaml"]

# The demo's bookshop: an upstream to try the gateway with.
FROM node:26-bookworm-slim AS bookshop
ENV NODE_ENV=production
WORKDIR /app
COPY --from=build /src/node_modules ./node_modules
COPY package.json ./
COPY bin ./bin
COPY src ./src
COPY demo ./demo
COPY protos ./protos
USER 1000
EXPOSE 50051
ENTRYPOINT ["node", "demo/instance.ts"]

# The etcd of docker-compose.yml, from Debian's packages.
FROM debian:bookworm-slim AS etcd
RUN apt-get update \
  && apt-get install -y --no-install-recommends etcd-server etcd-client \
  && rm -rf /var/lib/apt/lists/* \
  && install -d -o 1000 -g 1000 /data
ENV ETCDCTL_API=3
USER 1000
EXPOSE 2379
ENTRYPOINT ["etcd", "--data-dir=/data"]
