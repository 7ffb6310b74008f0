import type { Event } from '../core/event.ts';
import { onBuildHinted } from './build.ts';
import { onButtonPressed } from './button.ts';
import {
  onBranchHinted,
  onBranchNoted,
  onBranchSeen,
  onChangeUnreadable,
  onPullRequestHinted,
  onPullRequestSeen,
} from './change.ts';
import { onCheckRerequested, onCommandSeen, onCommentTold } from './command.ts';
import { type HandlerContext, nothing, type Outcome } from './handler.ts';
import { onInstallationTold, onRepositoryNoted, onRepositoryTold } from './installation.ts';
import { onMatchTold, onPartnersSeen } from './matching.ts';
import { onChangeTested, onMergeCalled, onMergeSeen } from './merge.ts';
import { onRunEvent, onRunRequested } from './run.ts';
import { onTick } from './tick.ts';

/** Every kind of event has its one handler; the compiler sees to it that none is missing. */
export async function handle(event: Event, context: HandlerContext): Promise<Outcome> {
  switch (event.kind) {
    case 'branch.hinted':
      return onBranchHinted(event, context);
    case 'branch.noted':
      return onBranchNoted(event, context);
    case 'pull-request.hinted':
      return onPullRequestHinted(event, context);
    case 'branch.seen':
      return onBranchSeen(event, context);
    case 'pull-request.seen':
      return onPullRequestSeen(event, context);
    case 'change.unreadable':
      return onChangeUnreadable(event);
    case 'match.told':
      return onMatchTold(event, context);
    case 'partners.seen':
      return onPartnersSeen(event, context);
    case 'tick':
      return onTick(event, context);
    case 'installation.told':
      return onInstallationTold(event, context);
    case 'repository.told':
      return onRepositoryTold(event, context);
    case 'repository.noted':
      return onRepositoryNoted(event, context);
    case 'comment.told':
      return onCommentTold(event, context);
    case 'check.rerequested':
      return onCheckRerequested(event, context);
    case 'button.pressed':
      return onButtonPressed(event, context);
    case 'command.seen':
      return onCommandSeen(event, context);
    case 'merge.seen':
      return onMergeSeen(event, context);
    case 'merge.called':
      return onMergeCalled(event, context);
    case 'change.tested':
      return onChangeTested(event, context);
    case 'build.hinted':
      return onBuildHinted(event, context);
    case 'hook.noted':
    case 'hook.unread':
      return nothing;
    case 'run.requested':
      return onRunRequested(event, context);
    default:
      return onRunEvent(event, context);
  }
}
