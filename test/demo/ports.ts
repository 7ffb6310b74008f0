import { createServer } from 'node:net';

/** The ports that the demo would like to have; 0: any free one. */
export interface WantedPorts {
  site: number;
  github: number;
  play: number;
}

export interface ChosenPorts extends WantedPorts {
  /** A sentence for each wish that could not be fulfilled. */
  notes: string[];
}

const NAMES = { site: "RCB's site", github: 'the stand-in GitHub', play: 'the play page' } as const;

export async function choosePorts(wanted: WantedPorts): Promise<ChosenPorts> {
  const chosen: ChosenPorts = { ...wanted, notes: [] };
  const taken = new Set<number>();
  for (const name of ['site', 'github', 'play'] as const) {
    const wish = wanted[name];
    const isGranted = wish !== 0 && !taken.has(wish) && (await isFree(wish));
    chosen[name] = isGranted ? wish : await anyFree(taken);
    taken.add(chosen[name]);
    if (!isGranted && wish !== 0) {
      chosen.notes.push(`Port ${wish} is taken, so ${NAMES[name]} listens on ${chosen[name]}.`);
    }
  }
  return chosen;
}

/** On both loopback addresses: "localhost" may mean either, and must mean us. */
async function isFree(port: number): Promise<boolean> {
  for (const host of ['127.0.0.1', '::1']) {
    const error = await listenOnce(host, port).then(
      () => undefined,
      (reason: NodeJS.ErrnoException) => reason.code,
    );
    // A machine without IPv6 has nothing that could listen there.
    if (error && !(host === '::1' && (error === 'EADDRNOTAVAIL' || error === 'EAFNOSUPPORT'))) return false;
  }
  return true;
}

async function anyFree(taken: Set<number>): Promise<number> {
  for (;;) {
    const port = await listenOnce('127.0.0.1', 0);
    if (!taken.has(port)) return port;
  }
}

function listenOnce(host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen({ host, port, exclusive: true }, () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address ? address.port : port));
    });
  });
}
