// The log page: follows a log that grows, finds anchored lines (#L120, #L120-L140) that are on another page, steps from
// failure to failure (e, n, p; through what was searched for, if anything was), and goes to the search (/). Who presses keys
// by chance, or speaks to the machine, switches them off (WCAG 2.1.4).

const log = document.getElementById('log');
const maxLines = 5000;
const deepest = 8;

if (log) {
  goToAnchor(log);
  addEventListener('hashchange', () => goToAnchor(log));
  log.addEventListener('click', (event) => choose(event));
  const keys = document.getElementById('log-keys');
  if (keys) offerKeys(keys);
  for (const link of document.querySelectorAll('a[data-key]')) {
    link.addEventListener('click', (event) => {
      if (step(log, link)) event.preventDefault();
    });
  }
  if (log.dataset.lines) follow(log);
}

function anchoredRange() {
  const match = /^#L(\d+)(?:-L?(\d+))?$/.exec(location.hash);
  return match && { first: Number(match[1]), last: Number(match[2] ?? match[1]) };
}

function goToAnchor(log) {
  const range = anchoredRange();
  if (!range) return;
  for (const line of log.querySelectorAll('.marked')) line.classList.remove('marked');
  const line = document.getElementById(`L${range.first}`);
  if (!line) return openPageWith(log, range.first);
  for (let n = range.first; n <= Math.min(range.last, range.first + maxLines); n++) {
    const each = document.getElementById(`L${n}`);
    each?.classList.add('marked');
    unfold(each);
  }
  line.scrollIntoView({ block: 'center' });
}

function unfold(line) {
  for (let fold = line?.closest('details'); fold; fold = fold.parentElement.closest('details')) fold.open = true;
}

function openPageWith(log, number) {
  if (number > Number(log.dataset.total)) return;
  const url = new URL(location.href);
  if (url.searchParams.get('line') === String(number)) return;
  url.searchParams.set('line', String(number));
  url.searchParams.delete('from');
  location.replace(url);
}

// Shift and a click on a second number mark everything between. The number of what folds is no link: it becomes one here.
function choose(event) {
  const number = Number(event.target.dataset?.n);
  if (!number) return;
  const range = anchoredRange();
  const isRange = event.shiftKey && range;
  if (!isRange && event.target.matches('a')) return;
  event.preventDefault();
  location.hash = isRange ? `#L${Math.min(range.first, number)}-L${Math.max(range.first, number)}` : `#L${number}`;
}

function offerKeys(keys) {
  const offered = [...document.querySelectorAll('[aria-keyshortcuts]')].map((element) => [
    element,
    element.ariaKeyShortcuts,
  ]);
  const choose = (isOn) => {
    keys.checked = isOn;
    for (const [element, key] of offered) element.ariaKeyShortcuts = isOn ? key : null;
  };
  choose(remembered() !== 'off');
  keys.disabled = false;
  keys.addEventListener('change', () => {
    choose(keys.checked);
    remember(keys.checked ? 'on' : 'off');
  });
  // In another tab.
  addEventListener('storage', ({ key, newValue }) => key === 'keys' && choose(newValue !== 'off'));
  addEventListener('keydown', (event) => keys.checked && pressed(event));
}

// A browser may refuse to keep anything: then the choice lasts as long as the page.
function remembered() {
  try {
    return localStorage.getItem('keys');
  } catch {
    return null;
  }
}

function remember(word) {
  try {
    localStorage.setItem('keys', word);
  } catch {}
}

function pressed(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest?.('input:not([type="checkbox"]), textarea, select, [contenteditable]')) return;
  const target =
    event.key === '/'
      ? document.querySelector('input[name="q"]')
      : document.querySelector(`a[data-key="${CSS.escape(event.key)}"]`);
  if (!target) return;
  event.preventDefault();
  if (event.key === '/') target.focus();
  else target.click();
}

// Within the page where it has the line; else the link leads there, from where the page ends. True: it was done here.
function step(log, link) {
  const key = link.dataset.key;
  if (key === 'e') return false;
  const lines = [...log.querySelectorAll('find' in log.dataset ? '.line:has(mark)' : '.line[data-mark]')];
  const at = currentNumber(log, key === 'n');
  const found = key === 'n' ? lines.find((line) => numberOf(line) > at) : lines.findLast((line) => numberOf(line) < at);
  if (found) {
    location.hash = `#${found.id}`;
    return true;
  }
  const all = log.querySelectorAll('.line[id]');
  const url = new URL(link.href);
  const edge = key === 'n' ? Math.max(at, lastNumber(log)) : Math.min(at, numberOf(all[0]));
  url.searchParams.set('line', String(Math.max(1, edge)));
  url.searchParams.set('at', String(Math.max(1, at)));
  link.href = url;
  return false;
}

const numberOf = (line) => Number(line?.id.slice(1) ?? 0);

// Where the reader is: at the line that was asked for, else before the first one, or behind the last.
function currentNumber(log, isForward) {
  const range = anchoredRange();
  if (range) return isForward ? range.last : range.first;
  const marked = [...log.querySelectorAll('.marked')];
  if (marked.length > 0) return numberOf(isForward ? marked.at(-1) : marked[0]);
  return isForward ? numberOf(log.querySelector('.line[id]')) - 1 : lastNumber(log) + 1;
}

function follow(log) {
  const note = document.getElementById('log-live');
  const open = [...log.querySelectorAll('details[data-growing]')];
  let delay = 1000;

  async function poll() {
    let isBehind = false;
    try {
      const news = await fetchNews(log);
      isBehind = show(log, open, news);
      delay = 1000;
      if (news.done) return stop(log, note);
      if (note) note.textContent = 'live';
    } catch {
      // The server restarts, or the network is away: say so and look again, less and less often.
      delay = Math.min(delay * 2, 15_000);
      if (note) note.textContent = 'no answer, trying again';
    }
    setTimeout(poll, isBehind ? 0 : document.hidden ? 5000 : delay);
  }

  // Who comes back to the end has seen what is new.
  addEventListener('scroll', () => isAtEnd() && sayNews(0), { passive: true });
  if (isFresh(log)) scrollTo(0, document.documentElement.scrollHeight);
  setTimeout(poll, delay);
}

// Opened without a place: a reader of a growing log wants its end.
function isFresh(log) {
  return !location.hash && !log.querySelector('.marked') && log.childElementCount > 0;
}

const isAtEnd = () => innerHeight + scrollY >= document.documentElement.scrollHeight - 80;

function lastNumber(log) {
  const lines = log.querySelectorAll('.line');
  return numberOf(lines[lines.length - 1]);
}

// The last line may have been shown half-written: ask for it again.
async function fetchNews(log) {
  const url = new URL(log.dataset.lines, location.href);
  url.searchParams.set('from', String(Math.max(1, lastNumber(log))));
  if (log.dataset.attempt) url.searchParams.set('attempt', log.dataset.attempt);
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${response.status}`);
  return response.json();
}

// A reader at the end stays at the end; one who has scrolled up, stays there, and is told what is below.
function show(log, open, news) {
  const wasAtEnd = isAtEnd();
  const before = lastNumber(log);
  const holder = document.createElement('div');
  // Escaped by the server, as the page itself is.
  holder.innerHTML = news.html;
  for (const line of [...holder.children]) place(log, open, line);
  if (holder.querySelector('.at') || log.querySelector('.at')) log.classList.add('timed');
  log.dataset.total = String(news.lines);
  if (wasAtEnd) {
    trim(log, open);
    scrollTo(0, document.documentElement.scrollHeight);
  } else sayNews(lastNumber(log) - before);
  sayWhatIsShown(log, news.lines);
  return news.next <= news.lines;
}

// As the server folds lines, a group that is written just now stays open.
function place(log, open, line) {
  const shown = document.getElementById(line.id);
  if (shown) {
    if (shown.textContent === line.textContent) return;
    if (shown.matches('summary')) open.pop();
    (shown.matches('summary') ? shown.parentElement : shown).remove();
  }
  const { fold } = line.dataset;
  if (fold === 'phase') open.length = 0;
  const parent = open.at(-1) ?? log;
  if (fold === 'phase' || (fold === 'group' && open.length < deepest)) {
    const details = document.createElement('details');
    details.className = 'lines';
    details.open = true;
    details.toggleAttribute('data-phase', fold === 'phase');
    const summary = document.createElement('summary');
    for (const { name, value } of line.attributes) summary.setAttribute(name, value);
    const number = document.createElement('span');
    number.dataset.n = line.firstElementChild.dataset.n;
    line.firstElementChild.replaceWith(number);
    summary.append(...line.childNodes);
    details.append(summary);
    parent.append(details);
    open.push(details);
    return;
  }
  parent.append(line);
  if (fold === 'end-group' && open.length > 0 && !('phase' in open.at(-1).dataset)) open.pop();
  if (fold === 'end-phase') open.length = 0;
}

// A head goes after the last line below it, and never while lines come to it.
function trim(log, open) {
  const lines = [...log.querySelectorAll('.line')];
  const old = lines.slice(0, Math.max(0, lines.length - maxLines));
  for (const line of old) if (!line.matches('summary')) line.remove();
  for (const { parentElement: fold } of old.filter((line) => line.isConnected).reverse()) {
    if (fold.childElementCount === 1 && !open.includes(fold)) fold.remove();
  }
}

let unseen = 0;
function sayNews(count) {
  const link = document.getElementById('log-news');
  unseen = count === 0 && isAtEnd() ? 0 : unseen + count;
  if (!link) return;
  link.hidden = unseen === 0;
  link.textContent = `${unseen.toLocaleString('en')} new ${unseen === 1 ? 'line' : 'lines'} below`;
}

function sayWhatIsShown(log, total) {
  if (total === 0) return;
  const first = numberOf(log.querySelector('.line[id]'));
  const words = `Lines ${first.toLocaleString('en')} to ${lastNumber(log).toLocaleString('en')} of ${total.toLocaleString('en')}`;
  for (const place of document.querySelectorAll('[data-shown]')) place.textContent = words;
}

// The verdict and its time come with the head of the page, once more.
async function stop(log, note) {
  delete log.dataset.lines;
  note?.remove();
  const response = await fetch(location.href).catch(() => undefined);
  if (!response?.ok) return;
  const fresh = new DOMParser().parseFromString(await response.text(), 'text/html');
  const head = fresh.getElementById('job-head');
  if (head) document.getElementById('job-head')?.replaceWith(head);
  document.title = fresh.title;
}
