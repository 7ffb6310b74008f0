import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Site, siteHandler } from '../../src/site/routes.ts';

/** A site on a free port of loopback, as browsers and streams need it. `url` has no slash at its end. */
export interface ServedSite {
  url: string;
  /** Whoever still reads is cut off. */
  stop(): void;
}

export async function serveSite(site: Site): Promise<ServedSite> {
  const server = createServer(siteHandler(site)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://localhost:${(server.address() as AddressInfo).port}`,
    stop() {
      server.closeAllConnections();
      server.close();
    },
  };
}
