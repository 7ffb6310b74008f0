import type { LocalBackendConfig } from './config.ts';

const MOST_ARTIFACTS = 1_000;
const MOST_ARTIFACT_BYTES = 2 * 1024 ** 3;

/** The settings of a backend of kind local in its own units: seconds, bytes. */
export function localSettings(config: Omit<LocalBackendConfig, 'kind' | 'name'>) {
  return {
    command: config.command,
    slots: config.slots,
    timeoutS: config.timeout / 1_000,
    silenceS: config.silence / 1_000,
    outputLimitBytes: config.outputLimit,
    artifacts: config.artifacts.length
      ? { globs: config.artifacts, maxFiles: MOST_ARTIFACTS, maxBytes: MOST_ARTIFACT_BYTES }
      : undefined,
    sandbox: config.sandbox,
    network: config.network,
    limits: { memoryBytes: config.memory, processes: config.processes, diskBytes: config.disk },
  };
}
