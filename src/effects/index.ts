import type { Effect } from '../core/effect.ts';
import { cancelBuild, followBuild, releaseBuild, startBuild } from './builds.ts';
import type { Performed, World } from './effect.ts';
import { inspectBranch, inspectPullRequest } from './inspect.ts';
import { pollBranches } from './poll.ts';
import { reportCheck } from './report.ts';
import { packSource, resolveSources } from './sources.ts';

/** Every kind of effect has its one performer; the compiler sees to it that none is missing. */
export async function perform(effect: Effect, world: World, signal: AbortSignal): Promise<Performed> {
  switch (effect.kind) {
    case 'inspect.branch':
      return inspectBranch(effect, world, signal);
    case 'inspect.pull-request':
      return inspectPullRequest(effect, world, signal);
    case 'poll.branches':
      return pollBranches(effect, world, signal);
    case 'sources.resolve':
      return resolveSources(effect, world, signal);
    case 'source.pack':
      return packSource(effect, world, signal);
    case 'build.start':
      return startBuild(effect, world, signal);
    case 'build.follow':
      return followBuild(effect, world, signal);
    case 'build.cancel':
      return cancelBuild(effect, world, signal);
    case 'build.release':
      return releaseBuild(effect, world);
    case 'check.report':
      return reportCheck(effect, world, signal);
  }
}
