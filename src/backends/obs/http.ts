import { Agent, fetch } from 'undici';

export type ObsFetch = typeof fetch;

/** Connections to OBS; `close` breaks off what is under way. */
export interface ObsHttp {
  fetch: ObsFetch;
  close(): Promise<void>;
}

export function openHttp(): ObsHttp {
  const agent = new Agent({
    connectTimeout: 10_000,
    // Each request has its own deadline, and long polls are silent for as long as they like. This ends what forgot it.
    headersTimeout: 15 * 60_000,
    // A download or a log that stalls is begun anew long before its deadline.
    bodyTimeout: 60_000,
    // From one poll to the next the connection stays: a new one costs more than the question.
    keepAliveTimeout: 30_000,
    // What osc speaks, and what stands before OBS is tried with.
    allowH2: false,
  });
  return {
    fetch: (input, init) => fetch(input, { ...init, dispatcher: agent }),
    close: () => agent.destroy(),
  };
}
