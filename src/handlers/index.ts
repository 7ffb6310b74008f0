import type { Event } from '../core/event.ts';
import {
  onBranchHinted,
  onBranchNoted,
  onBranchSeen,
  onChangeUnreadable,
  onPullRequestHinted,
  onPullRequestSeen,
} from './change.ts';
import { type HandlerContext, nothing, type Outcome } from './handler.ts';
import { onInstallationTold, onRepositoryNoted, onRepositoryTold } from './installation.ts';
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
    case 'tick':
      return onTick(event, context);
    case 'installation.told':
      return onInstallationTold(event, context);
    case 'repository.told':
      return onRepositoryTold(event);
    case 'repository.noted':
      return onRepositoryNoted(event, context);
    case 'comment.told':
    case 'check.rerequested':
    case 'hook.noted':
    case 'hook.unread':
      // In the ledger, and nothing follows from them yet: commands and buttons are not obeyed in this version.
      return nothing;
    case 'run.requested':
      return onRunRequested(event, context);
    default:
      return onRunEvent(event, context);
  }
}
