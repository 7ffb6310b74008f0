import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { NodeHandler } from './app.ts';
import type { Log } from './log.ts';

export interface PlainServer {
  port: number;
  stop(): Promise<void>;
}

/** The site and the hooks without a GitHub App: where plain git repositories are all there is, no Probot is needed. */
export async function startPlainServer(options: {
  host: string;
  /** 0: any free one. */
  port: number;
  handler: NodeHandler;
  log: Log;
}): Promise<PlainServer> {
  const { host, port, handler, log } = options;
  const server = createServer((req, res) => {
    handler(req, res).catch((error) => {
      log.error({ err: error, path: req.url }, 'A request could not be answered');
      if (!res.headersSent) res.writeHead(500);
      res.end();
    });
  });
  await new Promise<void>((listening, failed) => {
    server.once('error', failed);
    server.listen(port, host, listening);
  });
  return {
    port: (server.address() as AddressInfo).port,
    async stop() {
      const stopped = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeIdleConnections();
      // A page that follows a live log would hold the server open.
      const timer = setTimeout(() => server.closeAllConnections(), 2_000);
      await stopped;
      clearTimeout(timer);
    },
  };
}
