import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';

/** What bubblewrap says about itself. Used by the supervisor: nothing but node's own modules here. */
export interface BubblewrapStatus {
  /** The pid namespace that it made, as /proc names it. Undefined: it made none, or is not bubblewrap. */
  pidNamespace: Promise<string | undefined>;
  /** After it ended: whether it came as far as the command. It says how the command ended only if it did. */
  hasStarted: Promise<boolean>;
}

/** `stream`: its status descriptor (confine.ts); undefined: there is no bubblewrap to listen to. */
export function watchBubblewrap(stream: unknown): BubblewrapStatus {
  if (stream === undefined) return { pidNamespace: Promise.resolve(undefined), hasStarted: Promise.resolve(true) };
  const namespace = Promise.withResolvers<string | undefined>();
  const started = Promise.withResolvers<boolean>();
  const lines = createInterface({ input: stream as Readable });
  lines.on('line', (line) => {
    const said = parse(line);
    const number = said['pid-namespace'];
    if (typeof number === 'number') namespace.resolve(`pid:[${number}]`);
    if ('exit-code' in said) started.resolve(true);
  });
  lines.once('close', () => {
    namespace.resolve(undefined);
    started.resolve(false);
  });
  return { pidNamespace: namespace.promise, hasStarted: started.promise };
}

/** Only bubblewrap itself can write there; what is not JSON is of a version that we do not know. */
function parse(line: string): Record<string, unknown> {
  try {
    const said: unknown = JSON.parse(line);
    return typeof said === 'object' && said !== null ? { ...said } : {};
  } catch {
    return {};
  }
}
