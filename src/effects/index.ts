import type { Effect } from '../core/effect.ts';
import { cancelBuild, followBuild, lookAtBuild, releaseBuild, retryBuild, startBuild } from './builds.ts';
import { answer, inspectCommand, react } from './command.ts';
import type { Performed, World } from './effect.ts';
import { inspectBranch, inspectPartners, inspectPullRequest } from './inspect.ts';
import { callMerge, inspectMerge, takeBack } from './merge.ts';
import { pollRepository } from './poll.ts';
import { pollDeliveries, pollInstallations } from './poll-app.ts';
import { pollBuilds } from './poll-builds.ts';
import { reportCheck } from './report.ts';
import { sweepRetention } from './retention.ts';
import { packSource, resolveSources } from './sources.ts';
import { sweepBackend } from './sweep-backend.ts';

/** Every kind of effect has its one performer; the compiler sees to it that none is missing. */
export async function perform(effect: Effect, world: World, signal: AbortSignal): Promise<Performed> {
  switch (effect.kind) {
    case 'inspect.branch':
      return inspectBranch(effect, world, signal);
    case 'inspect.pull-request':
      return inspectPullRequest(effect, world, signal);
    case 'inspect.partners':
      return inspectPartners(effect, world, signal);
    case 'command.inspect':
      return inspectCommand(effect, world, signal);
    case 'comment.react':
      return react(effect, world, signal);
    case 'comment.answer':
      return answer(effect, world, signal);
    case 'merge.inspect':
      return inspectMerge(effect, world, signal);
    case 'merge.call':
      return callMerge(effect, world, signal);
    case 'merge.take-back':
      return takeBack(effect, world, signal);
    case 'poll.repository':
      return pollRepository(effect, world, signal);
    case 'poll.installations':
      return pollInstallations(world, signal);
    case 'poll.deliveries':
      return pollDeliveries(world, signal);
    case 'poll.builds':
      return pollBuilds(effect, world, signal);
    case 'backend.sweep':
      return sweepBackend(effect, world, signal);
    case 'retention.sweep':
      return sweepRetention(world, signal);
    case 'sources.resolve':
      return resolveSources(effect, world, signal);
    case 'source.pack':
      return packSource(effect, world, signal);
    case 'build.start':
      return startBuild(effect, world, signal);
    case 'build.follow':
      return followBuild(effect, world, signal);
    case 'build.look':
      return lookAtBuild(effect, world, signal);
    case 'build.retry':
      return retryBuild(effect, world, signal);
    case 'build.cancel':
      return cancelBuild(effect, world, signal);
    case 'build.release':
      return releaseBuild(effect, world);
    case 'check.report':
      return reportCheck(effect, world, signal);
  }
}
