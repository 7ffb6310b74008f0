/**
 * How much of a worker's time one host of builds may take. An organisation that answers after half a minute, or not at all,
 * holds the work that asks it; without a limit that would be all the work there is, and nothing else went on.
 */
export interface Places {
  /** Undefined: as many as may be are at this host already, and the work was not begun. Without a host it is here. */
  at<T>(host: string | undefined, work: () => Promise<T>): Promise<T | undefined>;
}

/** Four hosts that do not answer are needed to hold up the rest. */
const HOSTS = 4;

/** `atOnce`: effects of a worker. */
export function openPlaces(atOnce: number): Places {
  const most = Math.max(1, Math.floor(atOnce / HOSTS));
  const taken = new Map<string, number>();
  const add = (host: string, count: number) => {
    const sum = (taken.get(host) ?? 0) + count;
    if (sum === 0) taken.delete(host);
    else taken.set(host, sum);
  };
  return {
    async at(host, work) {
      if (host === undefined) return await work();
      if ((taken.get(host) ?? 0) >= most) return undefined;
      add(host, 1);
      try {
        return await work();
      } finally {
        add(host, -1);
      }
    },
  };
}
