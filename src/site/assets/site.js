// Keeps unfinished pages fresh: each element with `data-live="SECONDS"` and an id is fetched again with its page and
// replaced when it changed. Without this script the page refreshes itself by <meta>, and nothing else is lost.

const failuresUntilSlow = 3;

function keepFresh(element) {
  const id = element.id;
  let shown = element.outerHTML;
  let failures = 0;

  async function refresh() {
    const current = document.getElementById(id);
    if (!current?.dataset.live) return;
    if (!document.hidden && !isBusy(current) && current.dataset.stream !== 'open') await replace(current);
    const seconds = Number(document.getElementById(id)?.dataset.live ?? 0);
    if (seconds > 0) setTimeout(refresh, seconds * 1000 * (failures > failuresUntilSlow ? 10 : 1));
  }

  async function replace(current) {
    try {
      const response = await fetch(location.href, { headers: { Accept: 'text/html' } });
      if (!response.ok) throw new Error(`${response.status}`);
      const fresh = new DOMParser().parseFromString(await response.text(), 'text/html').getElementById(id);
      // Compared as it came: what is opened, or was added by this script, is no news.
      if (fresh && fresh.outerHTML !== shown) {
        shown = fresh.outerHTML;
        openSame(fresh, current);
        addCopyButtons(fresh);
        current.replaceWith(fresh);
      }
      failures = 0;
    } catch {
      // The server restarts, or the network is away: what is shown stays, and we look again later.
      failures++;
    }
  }

  setTimeout(refresh, Number(element.dataset.live) * 1000);
}

// Somebody tabs through it, or selects text: leave it alone.
function isBusy(element) {
  const selection = getSelection();
  const hasSelection = selection && !selection.isCollapsed && element.contains(selection.anchorNode);
  return element.contains(document.activeElement) || element.querySelector('details[open]:not([id])') || hasSelection;
}

// What somebody has opened stays open.
function openSame(fresh, current) {
  for (const { id } of current.querySelectorAll('details[open][id]')) {
    const same = fresh.querySelector(`#${CSS.escape(id)}`);
    if (same) same.open = true;
  }
}

// A GET form sends empty fields too; without them the address is worth sharing.
for (const form of document.querySelectorAll('form.filter')) {
  form.addEventListener('formdata', (event) => {
    for (const [name, value] of [...event.formData]) if (value === '') event.formData.delete(name);
  });
}

// Commands to be typed elsewhere: a button beside each, where the browser lets us copy.
function addCopyButtons(root) {
  if (!navigator.clipboard) return;
  for (const command of root.querySelectorAll('[data-copy]')) {
    const button = document.createElement('button');
    button.type = 'button';
    button.className = 'copy';
    button.textContent = 'Copy';
    button.setAttribute('aria-label', `Copy: ${command.textContent.split('\n')[0]}`);
    button.addEventListener('click', async () => {
      try {
        await navigator.clipboard.writeText(command.textContent);
        button.textContent = 'Copied';
      } catch {
        // Not allowed here: one click on the command still selects it.
        getSelection().selectAllChildren(command);
      }
    });
    command.after(' ', button);
  }
}

// Before the buttons are there: what is shown is compared with what the server sends.
for (const element of document.querySelectorAll('[data-live]')) keepFresh(element);
addCopyButtons(document);
