import type { Press, PressCommand } from './button.ts';

/** What people read about buttons and logging in. Plain text; a pair of backquotes means code. */
export const buttonMessages = {
  names: { 're-test': 'Re-test', 're-test failed': 'Re-test failed', cancel: 'Cancel' } satisfies Record<
    PressCommand,
    string
  >,
  /** Of a fork's run that waits for a maintainer. */
  allow: 'Allow and test',
  meanings: {
    're-test': 'Tests the same commits again',
    're-test failed': 'Runs only the failed jobs again, where the back-end can; else everything',
    cancel: 'Stops these tests, and takes back what was asked to be merged',
  } satisfies Record<PressCommand, string>,
  label: 'What you can ask for',
  logInFirst: 'Log in with GitHub to press these. Whether you may is asked of GitHub each time.',
  off: (why: string) => `Logging in is switched off here (${why}), so there are no buttons. Commands in comments work.`,
  newerRun: 'There is a newer run of this change: buttons are on its page, not here.',
  notKnown: 'This change is not watched any more, so nothing was done.',
  notServed: 'This repository is not served any more, so nothing was done.',
  noAccess: 'GitHub says that you have no access to this repository, so nothing was done.',
  failed: (why: string) => `It could not be found out whether this is allowed: ${why}`,
} as const;

/** One line about a press, for its run's page. */
export function pressWords({ command, state }: Pick<Press, 'command' | 'state'>): string {
  const name = buttonMessages.names[command];
  if (state === 'heard') return `pressed ${name}: heard. GitHub is being asked whether this is allowed.`;
  return state === 'obeyed' ? `pressed ${name}: done.` : `pressed ${name}: not done.`;
}

/** What was written for a comment, on a page: without Markdown's links and signs, and without what its line says anyway. */
export const plainWords = (markdown: string): string =>
  markdown
    .replace(/^I did not do `[^`]*`: (.)/, (_, first: string) => first.toUpperCase())
    .replace(/\[([^\]]*)\]\([^)\s]*\)/g, '$1')
    .replace(/\\([\\`*_{}[\]()#+.!<>|~-])/g, '$1');

export const loginMessages = {
  logIn: 'Log in',
  logOut: 'Log out',
  off: (why: string) =>
    `Nobody can log in here: ${why}. Everything can be read without; commands in comments on GitHub work.`,
  sightUnknown:
    'GitHub could not be asked what you may read, so private repositories are not shown just now. Reload in a minute.',
  mayBePrivate: 'If it is of a private repository, it is shown to those who may read that one at GitHub.',
  failedHeading: 'You are not logged in',
  otherBrowser:
    'This answer of GitHub does not belong to a login that this browser has begun, or it was used before, or it took ' +
    'longer than ten minutes. Nothing was changed. Log in once more.',
  denied:
    'You did not let RCB know who you are at GitHub. Nothing was changed, and what is public can be read without.',
  refused: 'GitHub did not accept the login: its code was used before, or is too old. Log in once more.',
  setup:
    'GitHub did not accept this bot’s own credentials for logins. The operator was told; there is nothing you can do, ' +
    'but commands in comments on GitHub work.',
  away: 'GitHub could not be asked who you are. Nothing was changed; log in once more in a minute.',
  tooManyHeading: 'Too many at once',
  tooManyLogins: 'There were too many logins in the last minute. Wait a minute, then log in once more.',
  tooManyPresses:
    'You have pressed too many buttons in the last minute. Nothing was done by this one; wait a minute and press again.',
  otherSiteHeading: 'This did not come from here',
  otherSite: (publicUrl: string) =>
    `The request was not made by a page of this site, so nothing was done. Open ${publicUrl} and press the button there.`,
  oldFormHeading: 'This page is too old',
  oldForm: 'The button was of another session, or of an older look at the run. Go back, reload the page, press again.',
  badForm: 'The form is not one of this site’s, so nothing was done.',
} as const;
