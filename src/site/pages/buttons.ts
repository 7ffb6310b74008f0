import { createHash } from 'node:crypto';
import { buttonsOf, type PressCommand } from '../../core/button.ts';
import { buttonMessages, pressWords } from '../../core/messages-buttons.ts';
import { type Account, coded, foreign, fragment, type Html, type PageContext, timeAgo } from '../html.ts';
import { runPath } from '../links.ts';
import type { RunRow } from '../reader.ts';
import type { Pressing, ShownPress } from '../reader-buttons.ts';

export const MOST_PRESSES = 5;

/** What the token of a button's form is made of. */
export const aboutPress = (runId: string, command: PressCommand, seen: string): string[] => [
  'press',
  runId,
  command,
  seen,
];

/** An answer is awaited: the page keeps itself fresh until it is there. */
export const isAnswerDue = (pressing: Pressing | undefined): boolean => pressing?.presses.some(isAwaited) ?? false;

const isAwaited = ({ state, trouble }: ShownPress): boolean => state === 'heard' && trouble === undefined;

/** What people can ask for of a run, and what came of what they have asked. */
export function buttonsSection(context: PageContext, run: RunRow, pressing: Pressing | undefined): Html {
  const { account } = context;
  if (!pressing?.repository.installation || !account) return fragment``;
  const { presses, newestRunId } = pressing;
  const isNewest = newestRunId === run.id;
  if (!isNewest && presses.length === 0) return fragment``;
  const shown = isNewest && !isAnswerDue(pressing) ? buttons(account, run, presses) : fragment``;
  const hint = isNewest ? hintFor(account) : quiet(buttonMessages.newerRun);
  return fragment`<section id="buttons" class="ask" aria-label="${buttonMessages.label}">
${shown}${hint}${presses.length > 0 ? fragment`<ul class="plain presses">${presses.map((press) => pressLine(context, press))}</ul>` : ''}</section>`;
}

const quiet = (words: string): Html => fragment`<p class="quiet">${words}</p>`;

function hintFor(account: Account): Html {
  if (account.kind === 'out') return quiet(buttonMessages.logInFirst);
  return account.kind === 'off' ? quiet(buttonMessages.off(account.why)) : fragment``;
}

function buttons(account: Account, run: RunRow, presses: ShownPress[]): Html {
  if (account.kind === 'off') return fragment``;
  const seen = seenState(run, presses);
  const one = (command: PressCommand) => {
    const name =
      command === 're-test' && run.state === 'waiting' ? buttonMessages.allow : buttonMessages.names[command];
    const meaning = buttonMessages.meanings[command];
    if (account.kind === 'out')
      return fragment`<a class="button" href="${account.loginUrl}" rel="nofollow" title="${meaning}">${name}</a>`;
    const form = account.formToken(aboutPress(run.id, command, seen));
    return fragment`<form method="post" action="${runPath(run.id)}/press"><input type="hidden" name="command" value="${command}"><input type="hidden" name="seen" value="${seen}"><input type="hidden" name="form" value="${form}"><button type="submit" title="${meaning}">${name}</button></form>`;
  };
  return fragment`<div class="ask-buttons">${buttonsOf(run).map(one)}</div>`;
}

/** What the page showed when a button was pressed: the same while nothing happens, so that a double click is one wish, and
 *  another one as soon as something did. */
function seenState({ state, verdict }: RunRow, [newest]: ShownPress[]): string {
  const seen = JSON.stringify([state, verdict, newest?.key, newest?.state]);
  return createHash('sha256').update(seen).digest('base64url').slice(0, 16);
}

function pressLine({ now }: PageContext, press: ShownPress): Html {
  const { actor, why, newRunId, at, trouble } = press;
  const words = trouble === undefined ? why : buttonMessages.failed(trouble);
  return fragment`<li class="press-${press.state}"><strong>${foreign(actor.login)}</strong> ${pressWords(press)} ${
    newRunId ? fragment`<a href="${runPath(newRunId)}">The new run</a>. ` : ''
  }${words ? fragment`<bdi>${coded(words)}</bdi> ` : ''}<span class="quiet">${timeAgo(at, now)}</span></li>`;
}
