import type { Hold } from './change.ts';
import type { Command } from './command.ts';

/**
 * Who may do what. By ids and by GitHub's collaborator API ("Get repository permissions for a user": maintain reads as
 * write, triage as read), never by logins or by `author_association`. Buttons ask the same question as comments.
 */
export type Permission = 'admin' | 'write' | 'read' | 'none';

export interface Actor {
  id: string;
  permission: Permission;
}

export interface Asking {
  actor: Actor;
  command: Command;
  /** Of the pull request, or of the commit; absent: unknown, and so nobody's. */
  authorId?: string;
  /** Whose wish a `cancel` would take back; absent: there is none. */
  requesterId?: string;
  /** Why the newest head is not tested without a maintainer's word (`holdOf` by `policy.forks`); absent: it is, or a
   *  maintainer has already spoken for this head. */
  hold?: Hold['until'];
}

/** `liftsHold`: this word lets the head be tested that `policy.forks` held back, this head and no later one. */
export type Allowance =
  | { allowed: true; because: 'may-write' | 'author' | 'own-wish' | 'anybody'; liftsHold: boolean }
  | { allowed: false; because: 'needs-write' | 'needs-maintainer' | 'forks-never' | 'no-access' };

export const mayWrite = (permission: Permission): boolean => permission === 'admin' || permission === 'write';

export function decidePermission(asking: Asking): Allowance {
  switch (asking.command) {
    case 're-test':
    case 're-test latest':
    case 're-test failed':
      return decideRetest(asking);
    case 'merge on success':
      return mayWrite(asking.actor.permission) ? allowed('may-write') : refused('needs-write');
    case 'cancel':
      return decideCancel(asking);
    case 'why':
    case 'help':
      // GitHub answers `none` for whom the repository has blocked.
      return asking.actor.permission === 'none' ? refused('no-access') : allowed('anybody');
  }
}

/** An author is trusted to repeat a test, not to begin one that a maintainer has to allow. */
function decideRetest({ actor, authorId, hold }: Asking): Allowance {
  if (hold === 'never') return refused('forks-never');
  if (mayWrite(actor.permission)) return { allowed: true, because: 'may-write', liftsHold: hold === 'maintainer' };
  if (actor.permission === 'none') return refused('no-access');
  if (actor.id !== authorId) return refused('needs-write');
  return hold === undefined ? allowed('author') : refused('needs-maintainer');
}

function decideCancel({ actor, requesterId }: Asking): Allowance {
  if (mayWrite(actor.permission)) return allowed('may-write');
  return actor.id === requesterId ? allowed('own-wish') : refused('needs-write');
}

const allowed = (because: Extract<Allowance, { allowed: true }>['because']): Allowance => ({
  allowed: true,
  because,
  liftsHold: false,
});

const refused = (because: Extract<Allowance, { allowed: false }>['because']): Allowance => ({
  allowed: false,
  because,
});
