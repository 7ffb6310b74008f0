// Keeps unfinished pages fresh: each element with `data-live="SECONDS"` and an id is fetched again with its page and
// replaced when it changed. Without this script the page refreshes itself by <meta>, and nothing else is lost.

const failuresUntilSlow = 3;

function keepFresh(element) {
  const id = element.id;
  let failures = 0;

  async function refresh() {
    const current = document.getElementById(id);
    if (!current?.dataset.live) return;
    if (!document.hidden && !isBusy(current)) await replace(current);
    const seconds = Number(document.getElementById(id)?.dataset.live ?? 0);
    if (seconds > 0) setTimeout(refresh, seconds * 1000 * (failures > failuresUntilSlow ? 10 : 1));
  }

  async function replace(current) {
    try {
      const response = await fetch(location.href, { headers: { Accept: 'text/html' } });
      if (!response.ok) throw new Error(`${response.status}`);
      const fresh = new DOMParser().parseFromString(await response.text(), 'text/html').getElementById(id);
      if (fresh && fresh.outerHTML !== current.outerHTML) current.replaceWith(fresh);
      failures = 0;
    } catch {
      // The server restarts, or the network is away: what is shown stays, and we look again later.
      failures++;
    }
  }

  setTimeout(refresh, Number(element.dataset.live) * 1000);
}

// Somebody tabs through it, reads an opened detail or selects text: leave it alone.
function isBusy(element) {
  const selection = getSelection();
  const hasSelection = selection && !selection.isCollapsed && element.contains(selection.anchorNode);
  return element.contains(document.activeElement) || element.querySelector('details[open]') !== null || hasSelection;
}

for (const element of document.querySelectorAll('[data-live]')) keepFresh(element);

// A GET form sends empty fields too; without them the address is worth sharing.
for (const form of document.querySelectorAll('form.filter')) {
  form.addEventListener('formdata', (event) => {
    for (const [name, value] of [...event.formData]) if (value === '') event.formData.delete(name);
  });
}
