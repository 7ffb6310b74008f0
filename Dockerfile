# The bot, without its development tools. Node runs the TypeScript as it is; there is no build step.

FROM node:24-bookworm-slim AS dependencies
WORKDIR /app
# The postinstall script generates the Prisma client from these.
COPY package.json package-lock.json prisma.config.ts ./
COPY prisma ./prisma
# The npm package `node` brings a node of its own; the image has one. Its script is not run: it would fetch the binary.
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund \
 && rm -rf node_modules/node node_modules/node-bin-* node_modules/.bin/node \
 && npm run postinstall

FROM node:24-bookworm-slim
RUN apt-get update \
 && apt-get install -y --no-install-recommends bubblewrap ca-certificates git \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /app
COPY --from=dependencies /app/node_modules ./node_modules
COPY package.json prisma.config.ts LICENSE app.yml rcb.example.yaml ./
COPY prisma ./prisma
COPY src ./src
COPY --from=dependencies /app/src/generated ./src/generated

ENV NODE_ENV=production HOST=0.0.0.0 PORT=3000 RCB_DATA_DIR=/data
RUN install -d -o node -g node -m 0700 /data
VOLUME /data
USER node
EXPOSE 3000

HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT}/readyz`).then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]

# Not through npm, which would keep SIGTERM to itself.
CMD ["node", "src/cli.ts", "start"]
