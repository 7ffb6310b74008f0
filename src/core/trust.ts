import type { Run } from './model.ts';

/** Whether a run holds code that came without write permission to its repository: the head of a fork, be it of the change
 *  itself or of a partner that is tested with it. Such code gets no secrets, and no plain sandbox. */
export const holdsForeignCode = ({ change, manifest }: Pick<Run, 'change' | 'manifest'>): boolean =>
  (change.kind === 'pull-request' && change.fork) || (manifest?.partners ?? []).some(({ fork }) => fork);
