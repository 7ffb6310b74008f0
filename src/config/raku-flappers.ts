import type { KnownFlapper } from '../core/flapper.ts';

/**
 * The known flappers of Raku's core when the configuration says `stack: raku`: collected from public issues. State of August 2026. Two were listed by
 * the bot before this one, without an issue.
 *
 * Not listed: MoarVM/MoarVM#1500, "No plan found in TAP output" in whatever file; as a name it would be all of them.
 */

const issue = (repository: string, number: number): string => `https://github.com/${repository}/issues/${number}`;
const rakudo = (name: string, number?: number): KnownFlapper => ({
  name,
  repository: 'rakudo/rakudo',
  ...(number && { issue: issue('rakudo/rakudo', number) }),
});
/** Roast's tests lie in rakudo's t/spec, and are reported to rakudo. */
const roast = (name: string, number?: number): KnownFlapper => ({ ...rakudo(name, number), repository: 'Raku/roast' });

export const rakuFlappers: KnownFlapper[] = [
  { ...rakudo('t/concurrency/03-semaphore.t', 4212), repository: 'Raku/nqp' },
  rakudo('t/02-rakudo/10-nqp-ops.t', 4212),
  rakudo('t/02-rakudo/99-misc.t', 4212),
  rakudo('t/02-rakudo/15-gh_1202.t', 4212),
  rakudo('t/05-messages/03-errors.t'),
  roast('t/spec/S17-supply/return-in-tap.t', 3026),
  roast('t/spec/S03-operators/repeat.t'),
  rakudo('t/02-rakudo/11-deprecated.t', 4186),
  roast('t/spec/S17-procasync/kill.t', 4212),
  roast('t/spec/S17-procasync/stress.t', 2203),
  roast('t/spec/S32-io/IO-Socket-Async.t', 5841),
  roast('t/spec/S17-promise/start.t', 4212),
  roast('t/spec/S02-types/mix.t', 4212),
  roast('t/spec/S17-supply/syntax.t', 2621),
  roast('t/spec/S07-hyperrace/basics.t', 1529),
  roast('t/spec/S32-num/stress.t', 3400),
  rakudo('t/06-telemetry/01-basic.t', 2576),
  rakudo('t/04-nativecall/03-simple-returns.t', 3813),
  { name: 't/concurrency/01-thread.t', repository: 'Raku/nqp', issue: issue('Raku/nqp', 427) },
  { name: 't/nqp/113-run-command.t', repository: 'Raku/nqp', issue: issue('MoarVM/MoarVM', 1065) },
  // Their files are gone from the default branches; branches of before have them.
  roast('t/spec/MISC/bug-coverage-stress-6.d.t', 4212),
  rakudo('t/09-moar/11-inline-hash-key.t', 4212),
];
