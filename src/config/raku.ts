import type { Stack } from './config.ts';

/** Whose installations are served when the configuration says `stack: raku`, or nothing at all. */
export const rakuOwners = ['rakudo', 'Raku', 'MoarVM'];

/**
 * Raku's core. Rakudo has no pin of MoarVM: it is the one that its NQP pins. Without `.git` a build takes its version
 * from VERSION and compares it with the pins' minimum, so all three carry `git describe` there.
 */
export const rakuStack: Stack = {
  name: 'raku',
  repositories: [
    {
      repository: 'rakudo/rakudo',
      release: { omit: ['.*'], manifest: true, version: 'describe' },
      pins: { 'Raku/nqp': 'tools/templates/NQP_REVISION' },
      trees: { 't/spec': 'Raku/roast' },
    },
    {
      repository: 'Raku/nqp',
      release: { omit: [], manifest: true, version: 'describe' },
      pins: { 'MoarVM/MoarVM': 'tools/templates/MOAR_REVISION' },
      trees: {},
    },
    {
      repository: 'MoarVM/MoarVM',
      release: { omit: [], manifest: true, version: 'describe' },
      pins: {},
      trees: {},
    },
  ],
};
