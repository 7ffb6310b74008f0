// The log page: follows a log that grows, and finds anchored lines (#L120, #L120-L140) that are on another page.

const log = document.getElementById('log');
const maxLines = 5000;

if (log) {
  goToAnchor(log);
  addEventListener('hashchange', () => goToAnchor(log));
  log.addEventListener('click', (event) => extendRange(event));
  if (log.dataset.lines) follow(log);
}

function anchoredRange() {
  const match = /^#L(\d+)(?:-L?(\d+))?$/.exec(location.hash);
  return match && { first: Number(match[1]), last: Number(match[2] ?? match[1]) };
}

function goToAnchor(log) {
  for (const line of log.querySelectorAll('.marked')) line.classList.remove('marked');
  const range = anchoredRange();
  if (!range) return;
  const line = document.getElementById(`L${range.first}`);
  if (!line) return openPageWith(log, range.first);
  for (let n = range.first; n <= Math.min(range.last, range.first + maxLines); n++) {
    document.getElementById(`L${n}`)?.classList.add('marked');
  }
  line.scrollIntoView({ block: 'center' });
}

function openPageWith(log, number) {
  const count = Number(log.dataset.count);
  if (!count || number > Number(log.dataset.total)) return;
  const url = new URL(location.href);
  const from = String(Math.floor((number - 1) / count) * count + 1);
  if (url.searchParams.get('from') === from) return;
  url.searchParams.set('from', from);
  location.replace(url);
}

// Shift and a click on a second number mark everything between.
function extendRange(event) {
  const number = Number(event.target.dataset?.n);
  const range = anchoredRange();
  if (!number || !event.shiftKey || !range) return;
  event.preventDefault();
  location.hash = `#L${Math.min(range.first, number)}-L${Math.max(range.first, number)}`;
}

function follow(log) {
  const note = document.getElementById('log-live');
  let delay = 1000;

  async function poll() {
    let isBehind = false;
    try {
      const news = await fetchNews(log);
      isBehind = show(log, news);
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

  if (isFresh(log)) scrollTo(0, document.documentElement.scrollHeight);
  setTimeout(poll, delay);
}

// Opened without an anchor: a reader of a growing log wants its end.
function isFresh(log) {
  return !location.hash && log.childElementCount > 0;
}

function lastNumber(log) {
  return Number(log.lastElementChild?.id.slice(1) ?? 0);
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

function show(log, news) {
  const isAtEnd = innerHeight + scrollY >= document.documentElement.scrollHeight - 80;
  const last = log.lastElementChild;
  const holder = document.createElement('div');
  // Escaped by the server, as the page itself is.
  holder.innerHTML = news.html;
  if (last && holder.firstElementChild?.id === last.id) {
    if (holder.firstElementChild.textContent === last.textContent) holder.firstElementChild.remove();
    else last.remove();
  }
  log.append(...holder.children);
  log.dataset.total = String(news.lines);
  if (isAtEnd) {
    while (log.childElementCount > maxLines) log.firstElementChild.remove();
    scrollTo(0, document.documentElement.scrollHeight);
  }
  sayWhatIsShown(log, news.lines);
  return news.next <= news.lines;
}

function sayWhatIsShown(log, total) {
  if (total === 0) return;
  const first = Number(log.firstElementChild?.id.slice(1) ?? 0);
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
