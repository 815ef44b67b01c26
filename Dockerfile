# The service, without its development tools and without a PostgreSQL.
#
#   docker build --tag silverback .
#
# compose.yaml runs it with one. By itself, with variables as in .env.example:
#
#   docker run --env-file production.env --publish 127.0.0.1:3000:3000 silverback
#
# The command line: docker exec <container> silverback --help

FROM node:24-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts
COPY tsconfig.json tsconfig.build.json ./
COPY src ./src
RUN npm run build

FROM node:24-slim AS dependencies
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev --ignore-scripts

FROM node:24-slim
# JITI_FS_CACHE: what loads the migrations would keep a cache in node_modules, where nothing may be written.
ENV NODE_ENV=production HOST=0.0.0.0 PORT=3000 JITI_FS_CACHE=false
WORKDIR /app
COPY package.json LICENSE ./
COPY migrations ./migrations
COPY --from=dependencies /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
RUN printf '#!/bin/sh\nexec node /app/dist/cli/silverback.js "$@"\n' > /usr/local/bin/silverback && chmod 755 /usr/local/bin/silverback
# Not root, and nothing of the image is its own to change.
USER node
EXPOSE 3000
# Alive, not ready: a database that is away is no reason to restart the service. /readyz is for the balancer.
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT}/livez`).then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
CMD ["node", "dist/service/main.js"]
