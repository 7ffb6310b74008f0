// Follows the list of runs by server-sent events: a row that changed is replaced where it stands, a new one comes on top.
// Nobody's pointer loses its row: while somebody points at the list, works in it, or has scrolled into it, new rows wait
// behind a button whose place is always there. Without this script, or when the stream is refused, site.js asks for the page
// every few seconds instead.

const mostRows = 100;
const section = () => document.getElementById('runs');
const list = () => section()?.querySelector('ol[data-follow]');
const line = document.getElementById('live-line');
const arrivals = list()?.dataset.arrivals;
let url = list()?.dataset.follow;
// The reader's clock may be wrong: only what passes by it is added to what the server said.
const skew = Date.now() - Date.parse(list()?.dataset.now ?? 0);
let source;
let heldBack = new Map();

function open() {
  if (source || document.hidden || !url) return;
  source = new EventSource(url);
  source.addEventListener('open', () => follow('open'));
  source.addEventListener('error', () => {
    follow('');
    // Refused for good (too many readers): the browser does not try again, and site.js goes on asking.
    if (source?.readyState === EventSource.CLOSED) close();
  });
  source.addEventListener('run', (event) => {
    const { id, html } = JSON.parse(event.data);
    remember(event);
    take(id, new DOMParser().parseFromString(html, 'text/html').querySelector('li'));
  });
  source.addEventListener('reset', (event) => {
    remember(event);
    askForPage();
  });
}

// A hidden page follows nothing: browsers allow six connections to a host, for all of its tabs.
function close() {
  source?.close();
  source = undefined;
  follow('');
}

const remember = ({ lastEventId }) => {
  url = `/api/live?since=${lastEventId}`;
};

// While this is 'open', site.js leaves the list alone.
function follow(state) {
  const current = section();
  if (current) current.dataset.stream = state;
  say();
}

// Site.js renews the whole list once; what it puts there says nothing of us yet.
const askForPage = () => follow('ask');

function take(id, fresh) {
  const rows = list();
  if (!rows || !fresh) return askForPage();
  const shown = rows.querySelector(`[data-run="${CSS.escape(id)}"]`);
  if (shown) return replace(shown, fresh);
  const newest = rows.querySelector('[data-run]')?.dataset.run ?? '';
  // An older run that is on a later page, or hidden by the filter.
  if (id < newest) return;
  if (arrivals === 'ask') askForPage();
  if (arrivals !== 'show') return;
  heldBack.set(id, fresh);
  if (mayMove(rows)) showHeldBack();
  say();
}

function replace(shown, fresh) {
  if (withoutTimes(shown) === withoutTimes(fresh)) return;
  // The reader's place in the row stays his.
  const focused = shown.contains(document.activeElement) ? document.activeElement.getAttribute('href') : undefined;
  fresh.classList.add('fresh');
  shown.replaceWith(fresh);
  if (focused) fresh.querySelector(`a[href="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
}

const withoutTimes = (row) =>
  [...row.querySelectorAll('.run-state, .run-what, .run-jobs')].map((each) => each.innerHTML).join();

function mayMove(rows) {
  const isReading = rows.matches(':hover') || rows.contains(document.activeElement) || !getSelection().isCollapsed;
  return !isReading && rows.getBoundingClientRect().top >= 0;
}

function showHeldBack() {
  const rows = list();
  for (const [, fresh] of [...heldBack].sort(([one], [other]) => (one < other ? -1 : 1))) {
    fresh.classList.add('fresh');
    rows.prepend(fresh);
  }
  heldBack = new Map();
  trim(rows);
}

// The next page goes on after the last row that is shown.
function trim(rows) {
  const next = document.querySelector('.paging [rel=next]');
  if (!next) return;
  while (rows.children.length > mostRows) rows.lastElementChild.remove();
  const address = new URL(next.href);
  address.searchParams.set('before', rows.lastElementChild.dataset.run);
  next.href = address.href;
}

function say() {
  const count = heldBack.size;
  if (count === 0) {
    line.textContent = source?.readyState === EventSource.OPEN ? 'Live' : '';
    return;
  }
  const words = count === 1 ? 'Show 1 new run' : `Show ${count} new runs`;
  if (line.textContent === words) return;
  const button = document.createElement('button');
  button.type = 'button';
  button.textContent = words;
  button.addEventListener('click', () => {
    showHeldBack();
    say();
    scrollTo({ top: 0 });
  });
  line.replaceChildren(button);
}

const ago = new Intl.RelativeTimeFormat('en', { numeric: 'always' });
const units = [
  ['year', 31_536_000],
  ['month', 2_592_000],
  ['day', 86_400],
  ['hour', 3_600],
  ['minute', 60],
];
const two = (value) => String(value).padStart(2, '0');

// As the server writes them (html.ts).
function relative(seconds) {
  for (const [unit, length] of units) if (seconds >= length) return ago.format(-Math.trunc(seconds / length), unit);
  return seconds < 5 ? 'just now' : ago.format(-Math.trunc(seconds), 'second');
}

function took(seconds) {
  if (seconds < 60) return `${Math.round(seconds)} s`;
  const whole = Math.round(seconds);
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${two(whole % 60)} s`;
  return `${Math.floor(whole / 3600)} h ${two(Math.floor((whole % 3600) / 60))} min`;
}

function letTimePass() {
  const rows = list();
  for (const time of rows?.querySelectorAll('time[datetime], [data-since]') ?? []) {
    const at = Date.parse(time.dateTime ?? time.dataset.since);
    const seconds = Math.max(0, (Date.now() - skew - at) / 1000);
    const words = time.dateTime ? relative(seconds) : took(seconds);
    if (time.textContent !== words) time.textContent = words;
  }
  // Site.js has put a new list there: from here on it is followed again.
  if (source?.readyState === EventSource.OPEN && section()?.dataset.stream === undefined) follow('open');
  if (heldBack.size > 0 && rows && mayMove(rows)) {
    showHeldBack();
    say();
  }
}

if (url) {
  open();
  document.addEventListener('visibilitychange', () => (document.hidden ? close() : open()));
  setInterval(letTimePass, 1000);
}
